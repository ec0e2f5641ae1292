"""Stores for tests: everything in a list, selected by brute force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from tocsin.model import Columns, Labels, Matcher, MetricMetadata, SampleBatch

Shape = Literal["ragged", "shared", "single"]
SHAPES: tuple[Shape, ...] = ("ragged", "shared", "single")


class ListStore:
    """Samples by series and time; ``shape`` says what the blocks that it hands out look like.

    *ragged* is one block for all, *shared* one for each set of series with equal times, and
    *single* one for each series.
    """

    memory_start_ms = -(2**62)

    def __init__(self, shape: Shape = "ragged") -> None:
        self.shape = shape
        self.samples: dict[Labels, dict[int, float]] = {}

    def append_batch(self, batch: SampleBatch) -> None:
        for index, time_ms, value in zip(batch.series_index, batch.timestamps_ms, batch.values, strict=True):
            self.samples.setdefault(batch.series[index], {})[int(time_ms)] = float(value)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        rows = {}
        for labels, samples in sorted(self.samples.items(), key=lambda item: item[0].pairs):
            times = sorted(time_ms for time_ms in samples if start_ms <= time_ms <= end_ms)
            if times and all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers):
                rows[labels] = (np.array(times), np.array([samples[time_ms] for time_ms in times]))
        return self._blocks(rows)

    def _blocks(self, rows: dict[Labels, tuple[np.ndarray, np.ndarray]]) -> list[Columns]:
        if not rows:
            return []
        if self.shape == "ragged":
            return [Columns.ragged(list(rows), list(rows.values()))]
        if self.shape == "single":
            return [Columns.ragged([labels], [row]) for labels, row in rows.items()]
        alike: dict[bytes, list[Labels]] = {}
        for labels, (times, _) in rows.items():
            alike.setdefault(times.tobytes(), []).append(labels)
        return [
            Columns(series, rows[series[0]][0], np.stack([rows[labels][1] for labels in series]))
            for series in alike.values()
        ]

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return sorted(labels for block in self.select(matchers, start_ms, end_ms) for labels in block.labels)

    def metadata(self) -> Mapping[str, MetricMetadata]:
        return {}


def filled(shape: Shape, samples: Mapping[Labels, Mapping[int, float]]) -> ListStore:
    """A store with these samples."""
    store = ListStore(shape)
    store.samples = {labels: dict(points) for labels, points in samples.items()}
    return store
