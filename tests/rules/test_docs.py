"""What docs/rules.md shows works as it says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.rules.helpers import write
from tocsin.rules import read_rule_file
from tocsin.rules.testing import Options, run_file

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text()


def test_the_rules_and_tests_shown_work(tmp_path):
    rules, tests, *_ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (group,) = read_rule_file(write(tmp_path / "rules.yml", rules))
    assert len(group.config.rules) == 2
    report = run_file(write(tmp_path / "tests.yml", tests), Options())
    assert (report.failures, report.error, report.passed) == ([], "", 3)
    assert "SUCCESS  tests.yml: 1 test, 3 checks passed" in PAGE


def test_every_pack_has_a_heading_and_links_to_its_runbook():
    pages = {page.stem for page in (Path(__file__).resolve().parents[2] / "docs" / "runbooks").glob("*.md")}
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == pages
    assert set(re.findall(r"\(runbooks/(\w+)\.md\)", PAGE)) == pages


def test_links_of_runbooks_lead_somewhere():
    folder = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
    for page in folder.glob("*.md"):
        for target, anchor in re.findall(
            r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text().replace("\n", " ")
        ):
            path = (folder / target) if target else page
            assert path.exists(), (page.name, target)
            if anchor:
                headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
                assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, (
                    page.name,
                    anchor,
                )
