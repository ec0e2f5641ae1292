"""A slow, obvious store, and how stores are compared with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tocsin.model import Columns, Labels, Matcher, SampleBatch, stale_mask

Samples = dict[Labels, dict[int, bytes]]


class DictStore:
    """Keeps every sample in a dictionary: what any store must agree with."""

    def __init__(self) -> None:
        self._samples: Samples = {}

    def append_batch(self, batch: SampleBatch) -> None:
        for index, time_ms, value in zip(
            batch.series_index.tolist(), batch.timestamps_ms.tolist(), batch.values, strict=True
        ):
            self._samples.setdefault(batch.series[index], {})[time_ms] = bits(value)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Samples:
        found: Samples = {}
        for labels, samples in self._samples.items():
            if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers):
                inside = {t: v for t, v in samples.items() if start_ms <= t <= end_ms}
                if inside:
                    found[labels] = inside
        return found


def bits(value: float) -> bytes:
    """A value that compares by kind: all NaN are one, the staleness marker is another."""
    array = np.array([value], dtype=np.float64)
    if np.isnan(array[0]) and not stale_mask(array)[0]:
        return b"NaN"
    return array.tobytes()


def samples_of(blocks: Sequence[Columns]) -> Samples:
    """The content of blocks, after checking what a block promises."""
    found: Samples = {}
    for block in blocks:
        count = len(block.labels)
        assert block.values.shape[0] == count
        times = np.broadcast_to(block.timestamps_ms, block.values.shape)
        lengths = np.full(count, block.values.shape[1]) if block.lengths is None else block.lengths
        assert block.is_shared == (block.lengths is None)
        for labels, row_times, row_values, length in zip(
            block.labels, times, block.values, lengths, strict=True
        ):
            assert labels not in found
            assert length > 0
            assert (np.diff(row_times[:length]) > 0).all()
            kept = row_values[:length].copy()
            assert block.has_stale or not stale_mask(kept).any()
            found[labels] = {int(t): bits(v) for t, v in zip(row_times[:length], kept, strict=True)}
    return found
