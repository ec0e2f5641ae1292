"""Sealing: making the summaries of intervals that are over, and making them anew where samples came late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import duckdb
import numpy as np

from tocsin.model import SUMMARY_FIELDS
from tocsin.storage.catalogue import Reach, read_reaches, store_reach
from tocsin.storage.rows import RAW, RowReader
from tocsin.storage.runs import Ints, Runs
from tocsin.storage.summarising import SummaryRows, summarise
from tocsin.storage.tiers import Tier, Tiers, ceil_to, floor_to

GRACE_MS: Final = 300_000
"""An interval is summarised this long after its end, when hardly a sample of it is still on its way."""

_SERIES_AT_A_TIME: Final = 500
_MAX_UNITS_AT_A_TIME: Final = 24
_COLUMNS: Final = ("series_id", "end_ms", *SUMMARY_FIELDS)

ReadSamples = Callable[[Ints, int, int], Runs]
"""The samples of some series with ``start_ms <= t <= end_ms``."""


class Sealer:
    """Makes summaries of samples; one thread uses it."""

    def __init__(self, tiers: Tiers, reader: RowReader, read_samples: ReadSamples) -> None:
        self._tiers = tiers
        self._reader = reader
        self._read_samples = read_samples

    def seal(self, series_ids: Ints, now_ms: int) -> None:
        """Summarise the intervals that are over, unit by unit, or more at a time if there are few series.

        Raises duckdb.Error.
        """
        units = max(1, min(_MAX_UNITS_AT_A_TIME, _SERIES_AT_A_TIME // max(1, len(series_ids))))
        for tier in self._tiers.summaries:
            until_ms = floor_to(now_ms - GRACE_MS, tier.resolution_ms)
            oldest_ms = floor_to(now_ms - tier.retention_ms, self._tiers.unit_ms)
            while (unit := self._next_units(tier, units, oldest_ms, until_ms)) is not None:
                parts = self._summarised(tier, series_ids, *unit)
                with self._reader.snapshot() as cursor:
                    for rows in parts:
                        _insert(cursor, tier, rows)
                    reach = read_reaches(cursor).get(tier.resolution_ms, Reach())
                    store_reach(cursor, tier.resolution_ms, replace(reach, sealed_ms=unit[1]))

    def _next_units(self, tier: Tier, units: int, oldest_ms: int, until_ms: int) -> tuple[int, int] | None:
        """The bounds of what is to be summarised next: what is over of the next units that have samples."""
        with self._reader.snapshot() as cursor:
            sealed_ms = read_reaches(cursor).get(tier.resolution_ms, Reach()).sealed_ms
            if sealed_ms >= until_ms:
                return None
            first_ms = self._reader.next_sample_ms(cursor, max(sealed_ms, oldest_ms))
        start_ms = min(ceil_to(first_ms, self._tiers.unit_ms) - self._tiers.unit_ms, until_ms)
        start_ms = max(start_ms, sealed_ms)
        end_ms = ceil_to(start_ms + 1, self._tiers.unit_ms) + (units - 1) * self._tiers.unit_ms
        return start_ms, min(end_ms, until_ms)

    def reseal(self, series_ids: Ints, now_ms: int) -> None:
        """Summarise anew what was summarised before some of its samples arrived; raises duckdb.Error."""
        with self._reader.snapshot() as cursor:
            # Units that the writer adds from now on are not seen, and not removed, by this transaction.
            ends = cursor.execute("SELECT DISTINCT end_ms FROM late ORDER BY end_ms").fetchall()
            reaches = read_reaches(cursor)
            raw_start_ms = reaches.get(RAW, Reach()).start_ms
            for (unit_end_ms,) in ends:
                for tier in self._tiers.summaries:
                    if unit_end_ms > now_ms - tier.retention_ms:
                        sealed_ms = reaches.get(tier.resolution_ms, Reach()).sealed_ms
                        self._reseal(
                            cursor,
                            tier,
                            series_ids,
                            (unit_end_ms - self._tiers.unit_ms, min(unit_end_ms, sealed_ms)),
                            is_complete=unit_end_ms > raw_start_ms,
                        )
            if ends:
                cursor.execute("DELETE FROM late")

    def _reseal(
        self,
        cursor: duckdb.DuckDBPyConnection,
        tier: Tier,
        series_ids: Ints,
        bounds: tuple[int, int],
        *,
        is_complete: bool,
    ) -> None:
        """Make the summaries of one unit anew.

        Where the samples that were summarised are gone, only series that have no summary get one.
        """
        start_ms, end_ms = bounds
        parts = list(self._summarised(tier, series_ids, start_ms, end_ms))
        if is_complete:
            cursor.execute(
                "DELETE FROM summaries WHERE resolution_ms = ? AND end_ms > ? AND end_ms <= ?",
                [tier.resolution_ms, start_ms, end_ms],
            )
        for rows in parts:
            if not is_complete:
                known = self._reader.summaries(
                    cursor,
                    np.unique(rows.series_ids),
                    start_ms + 1,
                    end_ms,
                    resolution_ms=tier.resolution_ms,
                    fields=(),
                )
                rows = _without(rows, known)  # noqa: PLW2901 - what is left of them
            _insert(cursor, tier, rows)

    def _summarised(self, tier: Tier, series_ids: Ints, start_ms: int, end_ms: int) -> Iterator[SummaryRows]:
        for first in range(0, len(series_ids), _SERIES_AT_A_TIME):
            some = series_ids[first : first + _SERIES_AT_A_TIME]
            runs = self._read_samples(some, start_ms + 1, end_ms)
            if len(runs.values):
                yield summarise(runs, tier.resolution_ms)


def _insert(cursor: duckdb.DuckDBPyConnection, tier: Tier, rows: SummaryRows) -> None:
    cursor.register("arriving", {"series_id": rows.series_ids, "end_ms": rows.ends_ms, **rows.fields})
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    statement = f"INSERT INTO summaries (resolution_ms, {names}) SELECT ?, {names} FROM arriving"  # noqa: S608 - constants
    cursor.execute(statement, [tier.resolution_ms])
    cursor.unregister("arriving")


def _without(rows: SummaryRows, known: SummaryRows) -> SummaryRows:
    """The summaries of which there is none yet."""
    pairs = set(zip(known.series_ids.tolist(), known.ends_ms.tolist(), strict=True))
    mine = zip(rows.series_ids.tolist(), rows.ends_ms.tolist(), strict=True)
    return rows.take(np.array([pair not in pairs for pair in mine], dtype=np.bool_))
