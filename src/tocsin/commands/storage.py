"""``tocsin storage``: how much a running tocsin's store holds, and how large it will become."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Column, Table

from tocsin.commands.api import ask, server_url

_DAY_S: Final = 86_400


def storage(
    url: Annotated[str | None, typer.Option(help="Of the tocsin to ask.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> int:
    """Show how many samples are stored, how much disk they take, and how much they will."""
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
        ("file", usage["path"]),
        ("series", f"{usage['series']:,}"),
        ("samples", f"{usage['samples']:,}{_a_day(usage['samplesPerDay'])}"),
        ("from, to", f"{_time(usage['oldest'])}, {_time(usage['newest'])}"),
        ("size", f"{decimal(usage['fileBytes'])}, {_bytes(usage['bytesPerSample'])} a sample"),
        ("growth", _growth(usage)),
        ("free on disk", decimal(usage["diskFreeBytes"])),
        ("full", _full(usage)),
    ]


def _a_day(samples: int | None) -> str:
    return "" if samples is None else f", {samples:,} a day"


def _growth(usage: dict[str, Any]) -> str:
    if usage["bytesPerDay"] is None:
        return "known after an hour"
    days = usage["retentionSeconds"] / _DAY_S
    each, whole = (decimal(round(usage[key])) for key in ("bytesPerDay", "predictedBytes"))
    return f"{each} a day, {whole} after the {days:g} days that samples are kept"


def _full(usage: dict[str, Any]) -> str:
    if usage["bytesPerDay"] is None:
        return "known after an hour"
    days = usage["daysUntilFull"]
    return "never: what is kept fits on the disk" if days is None else f"in {days:.1f} days"


def _bytes(size: float | None) -> str:
    return "?" if size is None else f"{size:.2f} bytes"


def _time(time_s: float | None) -> str:
    return "-" if time_s is None else f"{datetime.fromtimestamp(time_s).astimezone():%Y-%m-%d %H:%M:%S}"
