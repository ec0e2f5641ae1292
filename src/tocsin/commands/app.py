"""All verbs, and the one place that turns errors into a sentence and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import typer

from tocsin import __version__
from tocsin.commands import (
    check,
    demo,
    drill,
    import_runs,
    incidents,
    nemo_run,
    query,
    routes,
    silences,
    storage,
    test,
    up,
)
from tocsin.errors import TocsinError

EXIT_FAILED: Final = 2
"""The command was used wrongly or could not run; 1 is left for "what was checked is wrong"."""

EXIT_INTERRUPTED: Final = 130


def _end(status: int | None, **_options: object) -> None:
    """Make what a verb returns the exit status."""
    raise typer.Exit(status or 0)


app = typer.Typer(
    name="tocsin",
    help="Observability for machine learning: collect, store, query, alert, show.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    result_callback=_end,
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("drill")(drill.drill)
app.command("query")(query.query)
app.command("import")(import_runs.import_runs)
app.command("nemo-run")(nemo_run.nemo_run)
app.add_typer(check.app, name="check")
app.add_typer(incidents.app, name="incidents")
app.add_typer(routes.app, name="routes")
app.add_typer(silences.app, name="silences")
app.add_typer(storage.app, name="storage")
app.add_typer(test.app, name="test")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")
) -> None:
    """Observability for machine learning: collect, store, query, alert, show."""
    if version:
        print(f"tocsin {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(EXIT_FAILED)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        app(args=arguments)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except TocsinError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0
