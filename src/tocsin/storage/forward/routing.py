"""Which samples go to an engine, under which labels, and through which shard."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from tocsin.model import Labels, SampleBatch

Relabel: TypeAlias = Callable[[Labels], Labels | None]
"""What a series is called on the other side; None when it is not to go there."""

_MAX_REMEMBERED: Final = 200_000
_DROPPED: Final = -1


class Router:
    """Relabels series and spreads them over shards, the same one for a series whenever it comes."""

    def __init__(self, relabel: Relabel, shards: int) -> None:
        self._relabel = relabel
        self._shards = shards
        self._known: dict[Labels, tuple[Labels, int]] = {}

    def split(self, batch: SampleBatch) -> dict[int, SampleBatch]:
        """The part of a batch for each shard that gets one."""
        if len(self._known) > _MAX_REMEMBERED:
            self._known.clear()
        routes = [self._route(labels) for labels in batch.series]
        shard_of_series = np.array([shard for _, shard in routes], dtype=np.int64)
        shard_of_sample = shard_of_series[batch.series_index]
        names = [labels for labels, _ in routes]
        return {
            shard: _part(batch, names, np.flatnonzero(shard_of_sample == shard))
            for shard in np.unique(shard_of_sample).tolist()
            if shard != _DROPPED
        }

    def _route(self, labels: Labels) -> tuple[Labels, int]:
        route = self._known.get(labels)
        if route is None:
            renamed = self._relabel(labels)
            route = (labels, _DROPPED) if not renamed else (renamed, shard_of(renamed, self._shards))
            self._known[labels] = route
        return route


def shard_of(labels: Labels, shards: int) -> int:
    """The shard of a series; the same in every process.

    >>> shard_of(Labels({"__name__": "up"}), 4)
    1
    """
    text = "\\xff".join(part for pair in labels.pairs for part in pair)
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % shards


def _part(batch: SampleBatch, names: Sequence[Labels], samples: np.ndarray) -> SampleBatch:
    used, index = np.unique(batch.series_index[samples], return_inverse=True)
    return SampleBatch(
        [names[row] for row in used.tolist()], index, batch.timestamps_ms[samples], batch.values[samples]
    )
