"""Input series of a test: their notation, and the store that lets rules see them as time goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.errors import StorageError
from tocsin.model import Labels, SampleBatch
from tocsin.promql.points import NATIVE_HISTOGRAM, Point, parse_labels, parse_points
from tocsin.storage.head import Head

MAX_SAMPLES: Final = 20_000_000
"""A test file is written by hand: more samples than this are a slip of the pen, and would fill the memory."""

_REPEATED: Final = re.compile(r"x(\d+)(?=\s|$)")
_HISTOGRAM: Final = re.compile(r"\{\{.*?\}\}")
_EXPONENT: Final = re.compile(r"(?<=[\d.])[eE][+-](?=\d)")
_WORD_REPEATED: Final = re.compile(r"(?:nan|inf)x\d", re.IGNORECASE)
_INCREMENT_ALONE: Final = re.compile(r"[+-]?[^+\-x]+[+-][^+\-x]+")


def read_input_series(series: str, values: str) -> tuple[Labels, list[Point]]:
    """Read one input series as promtool does; None stands for no sample.

    Raises ValueError with one sentence.

    >>> read_input_series('up{job="a"}', "1+1x2 _ stale")[1][:4]
    [1.0, 2.0, 3.0, None]
    """
    labels = parse_labels(series.strip())
    if not series.strip():
        raise ValueError("the series is missing")
    count = sum(int(times[:20]) for times in _REPEATED.findall(values)) + len(values.split())
    if count > MAX_SAMPLES:
        raise ValueError(f"{count} values are too many (allowed are {MAX_SAMPLES})")
    for word in _HISTOGRAM.sub("", values).split():
        if _WORD_REPEATED.search(word):
            raise ValueError(f'not a point: "{word}" (NaN and Inf cannot be repeated)')
        if _INCREMENT_ALONE.fullmatch(_EXPONENT.sub("", word)):
            raise ValueError(f'how often is missing in "{word}" (allowed are forms such as 1+2x10)')
    return labels, list(parse_points(values))


class InputStore(Head):
    """A store whose samples appear when their time has come, and that refuses what Prometheus' would.

    Rules write into it as well; where a sample of another value already stands, writing fails.
    """

    def __init__(self, series: Sequence[tuple[Labels, list[Point]]], start_ms: int, interval_ms: int) -> None:
        super().__init__()
        given = dict(series)
        self.histograms = frozenset(
            labels.metric_name for labels, points in given.items() if NATIVE_HISTOGRAM in points
        )
        self._series = list(given)
        times, rows, values = _columns(list(given.values()))
        order = np.argsort(times, kind="stable")
        self._times_ms = start_ms + times[order] * interval_ms
        self._rows = rows[order]
        self._values = values[order]
        self._shown = 0
        self._newest: dict[Labels, tuple[int, float]] = {}

    def show_until(self, at_ms: int) -> None:
        """Let the input appear up to a time."""
        end = int(np.searchsorted(self._times_ms, at_ms, side="right"))
        if end == self._shown:
            return
        part = slice(self._shown, end)
        self._shown = end
        batch = SampleBatch(self._series, self._rows[part], self._times_ms[part], self._values[part])
        self.append_batch(batch)
        for row, time_ms, value in zip(
            self._rows[part].tolist(), self._times_ms[part].tolist(), self._values[part].tolist(), strict=True
        ):
            self._newest[self._series[row]] = (time_ms, value)

    async def append(self, batch: SampleBatch) -> None:
        """Store what rules yield; raises StorageError where Prometheus' store would refuse it."""
        for labels, time_ms, value in _samples(batch):
            newest_ms, newest = self._newest.get(labels, (time_ms - 1, 0.0))
            if newest_ms == time_ms and np.float64(newest).tobytes() != np.float64(value).tobytes():
                raise StorageError(f"duplicate sample for timestamp: {labels} has already another value")
            if newest_ms > time_ms:
                raise StorageError(f"out of order sample: {labels} has already a later one")
            self._newest[labels] = (time_ms, value)
        self.append_batch(batch)

    async def close(self) -> None:
        """Nothing is held."""


def _columns(
    series: Sequence[Sequence[Point]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Number in its series, number of its series and value of every sample."""
    times: list[int] = []
    rows: list[int] = []
    values: list[float] = []
    for row, points in enumerate(series):
        for time, point in enumerate(points):
            if isinstance(point, float):
                times.append(time)
                rows.append(row)
                values.append(point)
    return np.array(times, np.int64), np.array(rows, np.int64), np.array(values, np.float64)


def _samples(batch: SampleBatch) -> Iterator[tuple[Labels, int, float]]:
    rows = zip(batch.series_index.tolist(), batch.timestamps_ms.tolist(), batch.values.tolist(), strict=True)
    for index, time_ms, value in rows:
        yield batch.series[index], time_ms, value
