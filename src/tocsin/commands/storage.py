"""``tocsin storage``: how much a running tocsin's store holds; and the verbs for stores."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Column, Table

from tocsin.commands import storage_backup, storage_compact, storage_export, storage_key, storage_verify
from tocsin.commands.api import ask, server_url
from tocsin.commands.options import clock_text

_DAY_S: Final = 86_400


app = typer.Typer(help="Show how much is stored; back it up, check it, export it.")
app.command("backup")(storage_backup.backup)
app.command("restore")(storage_backup.restore)
app.command("verify")(storage_verify.verify)
app.command("compact")(storage_compact.compact)
app.command("export")(storage_export.export)
app.command("key")(storage_key.key)
app.command("recrypt")(storage_key.recrypt)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(help="Of the tocsin to ask.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show how many samples are stored, how much disk they take, and how much they will."""
    if context.invoked_subcommand is None:
        raise typer.Exit(storage(url, as_json=as_json))


def storage(url: str | None = None, *, as_json: bool = False) -> int:
    """Show the figures of a running tocsin."""
    usage = ask(url or server_url(), "/api/tocsin/storage")
    if as_json:
        print(json.dumps(usage, indent=2))
    else:
        table = Table("", Column(overflow="fold"), box=None, show_header=False)
        for topic, text in rows(usage):
            table.add_row(topic, text)
        Console().print(table)
    return 0


def rows(usage: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures as a person reads them."""
    return [
        ("store", usage["path"]),
        ("series", f"{usage['series']:,}"),
        ("samples", f"{usage['samples']:,}{_a_day(usage['samplesPerDay'])}"),
        ("from, to", f"{_time(usage['oldest'])}, {_time(usage['newest'])}"),
        ("file", f"{decimal(usage['fileBytes'])} with what is not in a block yet"),
        *((tier["name"], _tier(tier)) for tier in usage["tiers"]),
        ("growth", _growth(usage)),
        ("free on disk", decimal(usage["diskFreeBytes"])),
        ("full", _full(usage)),
    ]


def _a_day(samples: int | None) -> str:
    return "" if samples is None else f", {samples:,} a day"


def _growth(usage: dict[str, Any]) -> str:
    if usage["bytesPerDay"] is None:
        return "known after an hour"
    each, whole = (decimal(round(usage[key])) for key in ("bytesPerDay", "predictedBytes"))
    return f"{each} a day, {whole} in the end"


def _full(usage: dict[str, Any]) -> str:
    if usage["bytesPerDay"] is None:
        return "known after an hour"
    days = usage["daysUntilFull"]
    return "never: what is kept fits on the disk" if days is None else f"in {days:.1f} days"


def _tier(tier: dict[str, Any]) -> str:
    kind = "summaries" if tier["resolutionSeconds"] else "samples"
    size = f"{tier['samples']:,} {kind}, {decimal(tier['bytes'])} in {tier['blocks']} blocks"
    since = "" if tier["oldest"] is None else f", since {_time(tier['oldest'])}"
    return f"{size}, kept {tier['retentionSeconds'] / _DAY_S:g} days{since}"


def _time(time_s: float | None) -> str:
    return "-" if time_s is None else clock_text(time_s)
