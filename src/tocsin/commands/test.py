"""``tocsin test``: run test files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands import test_promql, test_rules

app = typer.Typer(help="Run test files.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)]


@app.callback()
def root() -> None:
    """Run test files."""


@app.command("promql")
def promql(
    files: Files,
    skips: Annotated[Path | None, typer.Option(help="JSON file that names evaluations to leave out.")] = None,
) -> int:
    """Run files in Prometheus' promqltest format."""
    return test_promql.run(files, skips)


@app.command("rules")
def rules(
    files: Files,
    run: Annotated[
        list[str] | None,
        typer.Option(help="Run only tests in whose name this regular expression is found; may be repeated."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Print on stderr what happens on the way.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Mark only what differs.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the outcome to this file as JUnit XML.")] = None,
    ignore_unknown_fields: Annotated[
        bool, typer.Option("--ignore-unknown-fields", help="Let rule files have keys of your own.")
    ] = False,
) -> int:
    """Run unit tests of rules in promtool's format."""
    output = test_rules.Output(debug, diff, junit)
    return test_rules.run(files, run or (), output, ignore_unknown_fields=ignore_unknown_fields)
