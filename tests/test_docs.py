"""What the documentation says is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tocsin.config import parse_source, validate
from tocsin.config.settings import Settings
from tocsin.promql.functions.table import TABLE

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_the_function_table_is_complete():
    documented = set(re.findall(r"^\| `(\w+)\(", (ROOT / "docs" / "promql.md").read_text(), re.MULTILINE))
    assert documented == set(TABLE)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/configuration.md",
        "docs/drills.md",
        "docs/encryption.md",
        "docs/nvflare.md",
        "docs/quality.md",
        "docs/scaling.md",
        "docs/statsd.md",
        "docs/storage.md",
        "docs/promql.md",
    ],
)
def test_configurations_shown_are_valid(name):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        validate(Settings, parse_source(block, name))


def test_the_rooms_of_the_architecture_are_the_packages_there_are():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    packages = {path.parent.name for path in (ROOT / "src" / "tocsin").glob("*/__init__.py")}
    missing = [package for package in sorted(packages) if f"`{package}/`" not in text]
    assert not missing
