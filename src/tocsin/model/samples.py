"""Batches of samples on their way into the store, and the staleness marker."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from tocsin.model.labels import Labels

_STALE_BITS: Final = 0x7FF0000000000002

STALE_NAN: Final[float] = struct.unpack("<d", struct.pack("<Q", _STALE_BITS))[0]
"""The NaN with which Prometheus marks that a series has ended; tell it from others by :func:`is_stale`."""


def is_stale(value: float) -> bool:
    """Say whether one value is the staleness marker, bit for bit."""
    return bool(struct.pack("<d", value) == struct.pack("<Q", _STALE_BITS))


def stale_mask(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Say for each value whether it is the staleness marker."""
    mask: npt.NDArray[np.bool_] = values.view(np.uint64) == np.uint64(_STALE_BITS)
    return mask


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples of one request, scrape or collection, in three parallel arrays.

    Sample ``i`` belongs to ``series[series_index[i]]``. Samples of a series need not be in
    order of time; of two samples at the same time the later in the batch wins.

    >>> batch = SampleBatch.at(1000, {Labels({"__name__": "up"}): 1.0})
    >>> len(batch), batch.values.tolist()
    (1, [1.0])
    """

    series: Sequence[Labels]
    series_index: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @classmethod
    def at(cls, timestamp_ms: int, values: Mapping[Labels, float]) -> Self:
        """One sample for each series, all at one time."""
        count = len(values)
        return cls(
            series=list(values),
            series_index=np.arange(count),
            timestamps_ms=np.full(count, timestamp_ms, dtype=np.int64),
            values=np.fromiter(values.values(), dtype=np.float64, count=count),
        )

    @classmethod
    def from_samples(cls, samples: Iterable[tuple[Labels, int, float]]) -> Self:
        """Samples given one by one as (labels, timestamp in ms, value)."""
        rows = list(samples)
        index_of: dict[Labels, int] = {}
        index = [index_of.setdefault(labels, len(index_of)) for labels, _, _ in rows]
        return cls(
            series=list(index_of),
            series_index=np.array(index, dtype=np.int64),
            timestamps_ms=np.array([timestamp_ms for _, timestamp_ms, _ in rows], dtype=np.int64),
            values=np.array([value for _, _, value in rows], dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.values)
