"""``tocsin test rules``: run unit tests of rules in promtool's format."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.errors import UsageError
from tocsin.model.regex import Pattern, compile_regex
from tocsin.rules.testing import Options, junit_xml, run_file, write_report


@dataclass(frozen=True, slots=True)
class Output:
    """How the outcome is told."""

    shows_debug: bool = False
    shows_diff: bool = False
    junit: Path | None = None


def run(
    files: Sequence[Path],
    names: Sequence[str] = (),
    output: Output = Output(),
    *,
    ignore_unknown_fields: bool = False,
) -> int:
    """Run the tests of some files whose name one of ``names`` (regular expressions) is found in.

    Returns the exit status: 0 all passed, 1 some failed, 2 a file cannot be read.
    """
    # What a rule says when it fails stands in the report already.
    logging.getLogger("tocsin.rules").addHandler(logging.NullHandler())
    trace = _to_stderr if output.shows_debug else None
    options = Options(tuple(map(_pattern, names)), ignore_unknown_fields, trace)
    reports = []
    for file in files:
        report = run_file(file, options)
        reports.append(report)
        for line in write_report(report, as_diff=output.shows_diff):
            print(line)
    if output.junit is not None:
        _write(output.junit, junit_xml(reports))
    if any(not report.is_readable for report in reports):
        return 2
    return 0 if all(report.is_success for report in reports) else 1


def _pattern(text: str) -> Pattern:
    try:
        return compile_regex(text)
    except ValueError as error:
        raise UsageError(f"--run: {error}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _to_stderr(line: str) -> None:
    print(f"DEBUG: {line}", file=sys.stderr)
