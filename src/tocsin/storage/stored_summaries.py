"""Selecting from summaries: those that were stored, and those of samples that are not summarised yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import duckdb
import numpy as np

from tocsin.errors import StorageError
from tocsin.model import Columns, Matcher, Summaries
from tocsin.storage.catalogue import Reach, read_reaches
from tocsin.storage.head import Head
from tocsin.storage.rows import RAW, RowReader
from tocsin.storage.runs import Ints, Runs, columns_from_runs, layouts, runs_from_sorted
from tocsin.storage.summarising import SummaryRows, joined_summaries, representatives, summarise
from tocsin.storage.tiers import Tier, Tiers, ceil_to

_OF_REPRESENTATIVES: Final = ("count", "last", "last_ms", "ended")

ReadFrom = Callable[[duckdb.DuckDBPyConnection, Ints, int, int], Runs]
"""The samples of some series with ``start_ms <= t <= end_ms``, in the transaction of a cursor."""


class StoredSummaries:
    """The summaries of a store; see interface.SummaryReader."""

    def __init__(self, tiers: Tiers, reader: RowReader, head: Head, read_samples: ReadFrom) -> None:
        self._tiers = tiers
        self._reader = reader
        self._head = head
        self._read_samples = read_samples

    def resolution_ms(self, start_ms: int, unit_ms: int) -> int:
        """The resolution that a selection from a time on is best answered from; 0 for samples.

        Samples while they are in memory; then the coarsest summaries that answer exactly; else the finest
        that reach back so far.
        """
        if not self._tiers.summaries or start_ms >= self._head.start_ms:
            return RAW
        try:
            with self._reader.snapshot() as cursor:
                reaches = read_reaches(cursor)
        except duckdb.Error as error:
            raise StorageError(f"cannot read the catalogue: {_first_line(error)}") from error
        return pick(self._tiers, reaches, start_ms, unit_ms)

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        *,
        resolution_ms: int,
        fields: Sequence[str],
    ) -> list[Summaries]:
        """Summaries of the intervals that end in ``start_ms <= end <= end_ms`` and have samples."""
        rows = self._rows(matchers, start_ms, end_ms, resolution_ms, tuple({*fields, "count"}))
        rows = rows.take(rows.fields["count"] > 0)
        series_ids, lengths = np.unique(rows.series_ids, return_counts=True)
        return [
            Summaries(
                self._head.index.labels_of(layout.series_ids),
                layout.timestamps_ms,
                {field: layout.matrix(rows.fields[field]) for field in fields},
                layout.lengths,
            )
            for layout in layouts(series_ids, lengths, rows.ends_ms)
        ]

    def representatives(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, resolution_ms: int
    ) -> list[Columns]:
        """The last sample of each of these intervals, and staleness markers of series that ended."""
        rows = self._rows(matchers, start_ms, end_ms, resolution_ms, _OF_REPRESENTATIVES)
        return columns_from_runs(runs_from_sorted(*representatives(rows)), self._head.index.labels_of)

    def _rows(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        resolution_ms: int,
        fields: Sequence[str],
    ) -> SummaryRows:
        series_ids = self._head.match(matchers)
        try:
            with self._reader.snapshot() as cursor:
                sealed_ms = read_reaches(cursor).get(resolution_ms, Reach()).sealed_ms
                stored = self._reader.summaries(
                    cursor,
                    series_ids,
                    start_ms,
                    min(end_ms, sealed_ms),
                    resolution_ms=resolution_ms,
                    fields=fields,
                )
                if end_ms <= sealed_ms:
                    return stored
                # An interval begins right behind the end of the one before it.
                first_ms = max(ceil_to(start_ms, resolution_ms) - resolution_ms, sealed_ms) + 1
                fresh = summarise(self._read_samples(cursor, series_ids, first_ms, end_ms), resolution_ms)
        except duckdb.Error as error:
            raise StorageError(f"cannot read summaries: {_first_line(error)}") from error
        return joined_summaries(stored, fresh)


def pick(tiers: Tiers, reaches: dict[int, Reach], start_ms: int, unit_ms: int) -> int:
    """The resolution of the tier that a selection from a time on is best answered from."""

    def holds(tier: Tier) -> bool:
        return start_ms >= reaches.get(tier.resolution_ms, Reach()).start_ms

    held = [tier for tier in tiers.summaries if holds(tier)] or list(tiers.summaries[-1:])
    exact = [tier for tier in held if unit_ms % tier.resolution_ms == 0]
    if exact:
        return exact[-1].resolution_ms
    return RAW if holds(tiers.raw) else held[0].resolution_ms


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
