"""What a measurement yields, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: what, the value seen, its budget, and what a peer took in the same run."""

    what: str
    seen: str
    budget: str = ""
    peer: str = ""


def print_rows(title: str, rows: Iterable[Row]) -> None:
    """Print measurements as a table."""
    table = Table("what", "seen", "budget", "peer in the same run", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.what, row.seen, row.budget, row.peer)
    Console(width=120).print(table)
