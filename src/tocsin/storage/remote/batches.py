"""Batches on their way out: several made one, in the order that engines insist on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tocsin.model import Labels, SampleBatch


def join_batches(batches: Sequence[SampleBatch]) -> SampleBatch:
    """One batch with the samples of all, sorted by series and time.

    Of samples of a series at the same time only the last one is kept: engines refuse the others.
    """
    index_of: dict[Labels, int] = {}
    renumbered = [
        np.array([index_of.setdefault(labels, len(index_of)) for labels in batch.series], dtype=np.int64)[
            batch.series_index
        ]
        for batch in batches
    ]
    rows = np.concatenate(renumbered)
    times_ms = np.concatenate([batch.timestamps_ms for batch in batches])
    values = np.concatenate([batch.values for batch in batches])
    order = np.lexsort((times_ms, rows))
    rows, times_ms, values = rows[order], times_ms[order], values[order]
    kept = np.ones(len(rows), dtype=np.bool_)
    kept[:-1] = (rows[1:] != rows[:-1]) | (times_ms[1:] != times_ms[:-1])
    return SampleBatch(list(index_of), rows[kept], times_ms[kept], values[kept])


def cut_batch(batch: SampleBatch, max_samples: int) -> Iterator[SampleBatch]:
    """A sorted batch in pieces of at most ``max_samples``, to be sent one after the other."""
    for start in range(0, len(batch), max_samples):
        piece = slice(start, start + max_samples)
        used, index = np.unique(batch.series_index[piece], return_inverse=True)
        yield SampleBatch(
            [batch.series[row] for row in used.tolist()],
            index,
            batch.timestamps_ms[piece],
            batch.values[piece],
        )
