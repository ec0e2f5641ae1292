"""``tocsin test``: run test files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands import test_promql

app = typer.Typer(help="Run test files.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Run test files."""


@app.command("promql")
def promql(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    skips: Annotated[Path | None, typer.Option(help="JSON file that names evaluations to leave out.")] = None,
) -> int:
    """Run files in Prometheus' promqltest format."""
    return test_promql.run(files, skips)
