"""Holds the sizes and habits that CONTRIBUTING.md states."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_LONG_FUNCTIONS = 0.1
LONG_FUNCTION_LINES = 30
VENDORED = "vendor"

SOURCES = sorted((ROOT / "src").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(path: Path) -> list[tuple[str, int]]:
    nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTIONS))
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in nodes]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_is_small_and_says_what_it_is_for(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    assert ast.get_docstring(ast.parse(text)), "a module opens with what it is for"
    too_long = [(name, lines) for name, lines in functions(path) if lines > MAX_FUNCTION_LINES]
    assert not too_long


def test_nine_functions_in_ten_are_short():
    lines = [lines for path in SOURCES for _, lines in functions(path)]
    long = sum(count > LONG_FUNCTION_LINES for count in lines)
    assert long <= MAX_LONG_FUNCTIONS * len(lines)


def test_scripts_of_the_pages_are_small():
    static = ROOT / "src" / "tocsin" / "web" / "static"
    scripts = [path for path in static.rglob("*.js") if VENDORED not in path.parts]
    assert scripts
    too_long = [path.name for path in scripts if path.read_text().count("\n") > MAX_FILE_LINES]
    assert not too_long


def test_no_unfinished_marks_and_no_machine_paths():
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|/(root|home/[a-z]+|work)/")
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = []
    for name in names.stdout.splitlines():
        path = ROOT / name
        if (
            VENDORED in path.parts
            or path == Path(__file__)
            or path.suffix not in {".py", ".md", ".js", ".toml", ".yml"}
        ):
            continue
        found += [f"{name}: {line.strip()}" for line in path.read_text().splitlines() if marks.search(line)]
    assert not found
