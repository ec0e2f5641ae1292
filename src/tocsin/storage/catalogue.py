"""The catalogue: which blocks there are, how far each tier reaches, and what must be summarised anew.

It stands in tables of the store's file, so that it changes in the same transaction as the rows do. Functions
here take the cursor whose transaction they are part of, and raise duckdb.Error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from tocsin.storage.blocks import Block

BEGINNING_MS: Final = -(2**62)
"""Where a tier starts from which nothing was removed yet."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From when on a tier is complete, and until when its summaries have been made."""

    start_ms: int = BEGINNING_MS
    sealed_ms: int = BEGINNING_MS


def read_reaches(cursor: duckdb.DuckDBPyConnection) -> dict[int, Reach]:
    """How far the tiers reach, by resolution."""
    rows = cursor.execute("SELECT resolution_ms, start_ms, sealed_ms FROM tiers").fetchall()
    return {resolution_ms: Reach(start_ms, sealed_ms) for resolution_ms, start_ms, sealed_ms in rows}


def store_reach(cursor: duckdb.DuckDBPyConnection, resolution_ms: int, reach: Reach) -> None:
    """Remember how far a tier reaches."""
    values = [resolution_ms, reach.start_ms, reach.sealed_ms]
    cursor.execute("INSERT OR REPLACE INTO tiers VALUES (?, ?, ?)", values)


def forget_tier(cursor: duckdb.DuckDBPyConnection, resolution_ms: int) -> None:
    """Forget a tier and its summaries."""
    for table in ("tiers", "summaries", "blocks"):
        cursor.execute(f"DELETE FROM {table} WHERE resolution_ms = ?", [resolution_ms])  # noqa: S608 - our own names


def read_blocks(cursor: duckdb.DuckDBPyConnection, resolution_ms: int | None = None) -> list[Block]:
    """The blocks of a tier, or all, by time."""
    rows = cursor.execute(
        "SELECT name, resolution_ms, start_ms, end_ms, row_count, byte_count, file_count FROM blocks "
        "WHERE $1 IS NULL OR resolution_ms = $1 ORDER BY resolution_ms, start_ms",
        [resolution_ms],
    ).fetchall()
    return [Block(*row) for row in rows]


def exchange_blocks(
    cursor: duckdb.DuckDBPyConnection, removed: Iterable[Block], added: Iterable[Block] = ()
) -> None:
    """Take blocks out of the catalogue and put others in."""
    for block in removed:
        cursor.execute("DELETE FROM blocks WHERE name = ?", [block.name])
    for block in added:
        values = [
            *(block.name, block.resolution_ms, block.start_ms, block.end_ms),
            *(block.row_count, block.byte_count, block.file_count),
        ]
        cursor.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def overlapping(blocks: Sequence[Block], start_ms: int, end_ms: int) -> list[Block]:
    """The blocks that may have rows with ``start_ms <= t <= end_ms``."""
    return [block for block in blocks if block.end_ms >= start_ms and block.start_ms < end_ms]
