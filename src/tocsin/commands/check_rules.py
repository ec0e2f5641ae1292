"""``tocsin check rules``: say whether rule files are right."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from tocsin.config import read_source
from tocsin.errors import ConfigError
from tocsin.rules import compile_rules
from tocsin.rules.files import find_faults
from tocsin.rules.linting import find_duplicates
from tocsin.rules.pruning import without_unknown_keys

EXIT_LINT: Final = 3
"""All is right, but something was found that is probably not meant; promtool's status for it."""


class Lint(StrEnum):
    """What to look for beyond faults."""

    ALL = "all"
    DUPLICATE_RULES = "duplicate-rules"
    NONE = "none"


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    lint: Annotated[Lint, typer.Option(help="What to look for beyond faults.")] = Lint.DUPLICATE_RULES,
    lint_fatal: Annotated[
        bool, typer.Option("--lint-fatal", help=f"End with status {EXIT_LINT} when something is found.")
    ] = False,
    ignore_unknown_fields: Annotated[
        bool, typer.Option("--ignore-unknown-fields", help="Let rule files have keys of your own.")
    ] = False,
) -> int:
    """Check rule files."""
    return run(files, lint, is_lint_fatal=lint_fatal, ignore_unknown_fields=ignore_unknown_fields)


def run(
    files: list[Path],
    lint: Lint = Lint.DUPLICATE_RULES,
    *,
    is_lint_fatal: bool = False,
    ignore_unknown_fields: bool = False,
) -> int:
    """Check files; returns 0 when all are right, 1 when one is not, 3 when only a fatal lint is found."""
    is_wrong = has_lint = False
    for file in files:
        faults, warnings = _check(file, lint, ignore_unknown_fields=ignore_unknown_fields)
        for fault in faults:
            print(fault, file=sys.stderr)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        is_wrong |= bool(faults)
        has_lint |= bool(warnings)
    if is_wrong:
        return 1
    return EXIT_LINT if has_lint and is_lint_fatal else 0


def _check(file: Path, lint: Lint, *, ignore_unknown_fields: bool) -> tuple[list[str], list[str]]:
    """Faults and warnings of one file; says how many rules it has when there is no fault."""
    try:
        source = read_source(file)
    except ConfigError as error:
        return [str(error)], []
    if ignore_unknown_fields:
        source = without_unknown_keys(source)
    if faults := find_faults(source):
        return [str(fault) for fault in faults], []
    groups = compile_rules(source)
    print(f"{file}: {sum(len(group.config.rules) for group in groups)} rules found")
    duplicates: Iterator[object] = iter(()) if lint is Lint.NONE else find_duplicates(source, groups)
    return [], [str(duplicate) for duplicate in duplicates]
