"""Compaction: moving rows from the file into blocks, and small blocks into large ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from tocsin.storage.blocks import Block, BlockFolder, block_name
from tocsin.storage.catalogue import exchange_blocks, overlapping, read_blocks
from tocsin.storage.rows import RowReader
from tocsin.storage.statements import block_of_samples, block_of_summaries, samples_of, summaries_of
from tocsin.storage.tiers import Tier, Tiers, ceil_to

_HOUR_MS: Final = 3_600_000
_SHORT_SPANS_MS: Final = (_HOUR_MS, _HOUR_MS // 6)
_MAX_ROWS: Final = 8_000_000
"""Rows that one transaction deletes, which takes about ten bytes of memory each. Where there are more, blocks
of shorter times are made first."""

_ROWS_OF_FILE: Final = 4_000_000
"""About as many rows are sorted at a time."""

DELAY_MS: Final = _HOUR_MS
"""Rows move into a block this long after the end of its time, so that few come too late for it."""


@dataclass(frozen=True, slots=True)
class _Window:
    """A time of which there is to be one block, instead of the blocks that it has."""

    start_ms: int
    end_ms: int
    replaced: tuple[Block, ...]


class Compactor:
    """Makes blocks; one thread uses it. The methods raise duckdb.Error or OSError."""

    def __init__(self, tiers: Tiers, reader: RowReader, blocks: BlockFolder) -> None:
        self._tiers = tiers
        self._reader = reader
        self._blocks = blocks
        self._generation = 0

    def compact(self, until_ms: int) -> Iterator[list[str]]:
        """Make a block for each time that is over by ``until_ms``, one at each step.

        Gives the names of the blocks that it replaced.
        """
        for tier in self._tiers:
            while (window := self._next_window(tier, until_ms)) is not None:
                yield self._rewrite(tier, window)

    def _next_window(self, tier: Tier, until_ms: int) -> _Window | None:
        with self._reader.snapshot() as cursor:
            blocks = read_blocks(cursor, tier.resolution_ms)
            oldest_ms = _oldest_row_ms(cursor, tier)
            window = _first_window(cursor, tier, oldest_ms, blocks)
        if window is not None and window.end_ms <= until_ms:
            return window
        return _mergeable(tier, blocks, until_ms)

    def _rewrite(self, tier: Tier, window: _Window) -> list[str]:
        """Write one block and put it in place of what it holds, in one transaction."""
        with self._reader.snapshot() as cursor:
            statement, values = self._rows(tier, window)
            bounds = {"start_ms": window.start_ms, "end_ms": window.end_ms}
            name = self._new_name(cursor, tier, window)
            parts = _parts(cursor, _count(cursor, tier, window))
            empty = Block(name, tier.resolution_ms, **bounds)
            block = self._blocks.write(cursor, statement, {**values, **bounds}, parts, empty)
            # Rows that arrived since the transaction began are not in the block, and stay where they are.
            _delete_rows(cursor, tier, window)
            exchange_blocks(cursor, window.replaced, [block])
        return [replaced.name for replaced in window.replaced]

    def _rows(self, tier: Tier, window: _Window) -> tuple[str, dict[str, Any]]:
        files = [file for block in window.replaced for file in self._blocks.rows_files(block)]
        values: dict[str, Any] = {"files": files} if files else {}
        if not tier.resolution_ms:
            return block_of_samples(samples_of(files, self._blocks.reader())), values
        rows = summaries_of(files, self._blocks.reader())
        return block_of_summaries(rows), {**values, "resolution_ms": tier.resolution_ms}

    def _new_name(self, cursor: duckdb.DuckDBPyConnection, tier: Tier, window: _Window) -> str:
        known = (int(block.name.rpartition("-")[2]) for block in read_blocks(cursor))
        self._generation = max([self._generation, *known]) + 1
        return block_name(tier.name, window.start_ms, window.end_ms, self._generation)


def _oldest_row_ms(cursor: duckdb.DuckDBPyConnection, tier: Tier) -> int | None:
    """The time of the oldest row of a tier that is in the file."""
    if tier.resolution_ms:
        statement = "SELECT min(end_ms) FROM summaries WHERE resolution_ms = ?"
        row = cursor.execute(statement, [tier.resolution_ms]).fetchone()
    else:
        row = cursor.execute("SELECT min(timestamp_ms) FROM samples").fetchone()
    return row[0] if row else None


def _first_window(
    cursor: duckdb.DuckDBPyConnection, tier: Tier, oldest_ms: int | None, blocks: list[Block]
) -> _Window | None:
    """The time of the oldest rows in the file, of which there is to be a block; None without rows."""
    if oldest_ms is None:
        return None
    for span_ms in (tier.first_span_ms, *_SHORT_SPANS_MS):
        end_ms = ceil_to(oldest_ms, span_ms)
        window = _widened(end_ms - span_ms, end_ms, blocks)
        if _count_in_file(cursor, tier, window) <= _MAX_ROWS:
            break
    return window


def _count(cursor: duckdb.DuckDBPyConnection, tier: Tier, window: _Window) -> int:
    """How many rows there are of a time, in the file and in blocks."""
    in_blocks = sum(block.row_count for block in window.replaced)
    return in_blocks + _count_in_file(cursor, tier, window)


def _count_in_file(cursor: duckdb.DuckDBPyConnection, tier: Tier, window: _Window) -> int:
    values = [window.start_ms, window.end_ms]
    if tier.resolution_ms:
        statement = "SELECT count(*) FROM summaries WHERE end_ms > ? AND end_ms <= ? AND resolution_ms = ?"
        values.append(tier.resolution_ms)
    else:
        statement = "SELECT count(*) FROM samples WHERE timestamp_ms > ? AND timestamp_ms <= ?"
    (count,) = cursor.execute(statement, values).fetchone() or (0,)
    return int(count)


def _parts(cursor: duckdb.DuckDBPyConnection, row_count: int) -> list[tuple[int, int]]:
    """Cut all series into ranges that have about as many rows as a file may have."""
    (last_id,) = cursor.execute("SELECT coalesce(max(id), 0) FROM series").fetchone() or (0,)
    count = max(1, -(-row_count // _ROWS_OF_FILE))
    size = -(-(last_id + 1) // count)
    return [(first_id, first_id + size - 1) for first_id in range(0, last_id + 1, size)]


def _delete_rows(cursor: duckdb.DuckDBPyConnection, tier: Tier, window: _Window) -> None:
    bounds = [window.start_ms, window.end_ms]
    if tier.resolution_ms:
        statement = "DELETE FROM summaries WHERE resolution_ms = ? AND end_ms > ? AND end_ms <= ?"
        cursor.execute(statement, [tier.resolution_ms, *bounds])
    else:
        cursor.execute("DELETE FROM samples WHERE timestamp_ms > ? AND timestamp_ms <= ?", bounds)


def _widened(start_ms: int, end_ms: int, blocks: list[Block]) -> _Window:
    """A time together with the blocks that have a part of it."""
    replaced = overlapping(blocks, start_ms + 1, end_ms)
    start_ms = min([start_ms, *(block.start_ms for block in replaced)])
    end_ms = max([end_ms, *(block.end_ms for block in replaced)])
    return _Window(start_ms, end_ms, tuple(replaced))


def _mergeable(tier: Tier, blocks: list[Block], until_ms: int) -> _Window | None:
    """The oldest full span that has more than one block; the shorter spans come first."""
    for span_ms in (tier.first_span_ms, tier.span_ms):
        by_span: dict[int, list[Block]] = {}
        for block in blocks:
            by_span.setdefault(ceil_to(block.end_ms, span_ms), []).append(block)
        for end_ms, members in sorted(by_span.items()):
            if len(members) > 1 and end_ms <= until_ms:
                return _Window(end_ms - span_ms, end_ms, tuple(members))
    return None
