"""Which samples the store takes: the limit of series, and how late a sample may come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tocsin.errors import SamplesRefusedError, SeriesLimitError
from tocsin.model import Clock, SampleBatch, format_duration_ms
from tocsin.storage.catalogue import BEGINNING_MS
from tocsin.storage.head import Head
from tocsin.storage.index import REFUSED
from tocsin.storage.runs import Ints, Mask

MAX_SERIES: Final = "max_series"
OUT_OF_ORDER: Final = "out_of_order"
TOO_OLD: Final = "too_old"
REASONS: Final = (MAX_SERIES, OUT_OF_ORDER, TOO_OLD)
"""Why samples are not kept; those that are too old are found by upkeep."""

_END_MS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a batch: each sample's series, whether it is taken, and what to say of those that are not."""

    series_ids: Ints
    taken: Mask
    refused: dict[str, int]
    error: SamplesRefusedError | None


class Admission:
    """Judges batches, in the order in which they are written.

    With an ``out_of_order_ms`` a sample is refused when its series has a later one already and it is older
    than that, as by Prometheus' ``out_of_order_time_window``; without one samples may come in any order.
    """

    def __init__(
        self, head: Head, clock: Clock, *, max_series: int, out_of_order_ms: int | None = None
    ) -> None:
        self._head = head
        self._clock = clock
        self._max_series = max_series
        self._out_of_order_ms = out_of_order_ms
        self._newest_ms: Ints = np.empty(0, dtype=np.int64)
        if out_of_order_ms is not None:
            everything = np.arange(len(head.index), dtype=np.int64)
            runs = head.newest(everything, BEGINNING_MS, _END_MS)[1]
            self._note_newest(np.repeat(runs.series_ids, runs.lengths), runs.timestamps_ms)

    def judge(self, batch: SampleBatch) -> Verdict:
        """Number the series of a batch, and say which of its samples are taken."""
        series_ids = self._head.ids(batch, self._max_series)
        taken = series_ids != REFUSED
        refused = {MAX_SERIES: int(np.count_nonzero(~taken))}
        if self._out_of_order_ms is not None:
            in_time = self._in_time(series_ids, batch.timestamps_ms, taken, self._out_of_order_ms)
            refused[OUT_OF_ORDER] = int(np.count_nonzero(taken & ~in_time))
            taken = taken & in_time
            self._note_newest(series_ids[taken], batch.timestamps_ms[taken])
        refused = {reason: count for reason, count in refused.items() if count}
        return Verdict(series_ids, taken, refused, self._error(refused))

    def _in_time(self, series_ids: Ints, times_ms: Ints, known: Mask, window_ms: int) -> Mask:
        in_time = times_ms >= self._clock.now_ms() - window_ms
        old = known & ~in_time
        if old.any():
            self._reserve()
            in_time[old] = times_ms[old] >= self._newest_ms[series_ids[old]]
        return in_time

    def _note_newest(self, series_ids: Ints, times_ms: Ints) -> None:
        self._reserve()
        np.maximum.at(self._newest_ms, series_ids, times_ms)

    def _reserve(self) -> None:
        missing = len(self._head.index) - len(self._newest_ms)
        if missing > 0:
            spare = np.full(missing + len(self._newest_ms) // 2, BEGINNING_MS, dtype=np.int64)
            self._newest_ms = np.concatenate([self._newest_ms, spare])

    def _error(self, refused: dict[str, int]) -> SamplesRefusedError | None:
        if count := refused.get(MAX_SERIES):
            series = self._head.index.series_count
            return SeriesLimitError(
                f"{count} samples of new series are refused: there are {series} series, "
                "which is as many as there may be (storage.max_series)"
            )
        if count := refused.get(OUT_OF_ORDER):
            window = format_duration_ms(self._out_of_order_ms or 0)
            return SamplesRefusedError(
                f"{count} samples out of order are refused: their series have later ones, and they are older "
                f"than {window} (storage.tsdb.out_of_order_time_window)"
            )
        return None
