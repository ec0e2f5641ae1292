"""Samples of many series, cut out of wherever they are kept, as a few blocks of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tocsin.model import Columns, Labels, stale_mask
from tocsin.model.columns import PADDING_MS

LabelsOf: TypeAlias = Callable[[npt.NDArray[np.int64]], Sequence[Labels]]


@dataclass(frozen=True, slots=True)
class Runs:
    """Samples of series one behind the other: series ``i`` has ``lengths[i]``, in order of time."""

    series_ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def join_runs(parts: Sequence[Runs]) -> Runs:
    """Put runs of different series behind each other."""
    return Runs(
        np.concatenate([part.series_ids for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.timestamps_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def runs_from_sorted(
    series_ids: npt.NDArray[np.int64], timestamps_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> Runs:
    """Make runs of samples sorted by series, then time; of equal times the last one counts."""
    is_last = np.ones(len(series_ids), dtype=np.bool_)
    is_last[:-1] = (series_ids[1:] != series_ids[:-1]) | (timestamps_ms[1:] != timestamps_ms[:-1])
    kept = series_ids[is_last]
    ids, lengths = np.unique(kept, return_counts=True)
    return Runs(ids, lengths, timestamps_ms[is_last], values[is_last])


def blocks_from_runs(runs: Runs, labels_of: LabelsOf) -> list[Columns]:
    """Arrange runs as blocks: one *shared* block if all have the same times, else *ragged* ones.

    Ragged blocks hold runs whose lengths lie between two powers of two, so that padding at most
    doubles the memory and the number of blocks stays small.
    """
    if len(runs.series_ids) == 0:
        return []
    if (shared := _shared_block(runs, labels_of)) is not None:
        return [shared]
    exponents = np.frexp(runs.lengths)[1]
    return [_ragged_block(_pick(runs, exponents == exponent), labels_of) for exponent in np.unique(exponents)]


def _shared_block(runs: Runs, labels_of: LabelsOf) -> Columns | None:
    length = int(runs.lengths[0])
    if (runs.lengths != length).any():
        return None
    times = runs.timestamps_ms.reshape(-1, length)
    if (times != times[0]).any():
        return None
    values = runs.values.reshape(-1, length)
    has_stale = bool(stale_mask(runs.values).any())
    return Columns(labels_of(runs.series_ids), times[0], values, has_stale=has_stale)


def _pick(runs: Runs, wanted: npt.NDArray[np.bool_]) -> Runs:
    samples = np.repeat(wanted, runs.lengths)
    return Runs(
        runs.series_ids[wanted], runs.lengths[wanted], runs.timestamps_ms[samples], runs.values[samples]
    )


def _ragged_block(runs: Runs, labels_of: LabelsOf) -> Columns:
    shape = (len(runs.lengths), int(runs.lengths.max()))
    cells = np.arange(shape[1]) < runs.lengths[:, np.newaxis]
    timestamps_ms = np.full(shape, PADDING_MS, dtype=np.int64)
    timestamps_ms[cells] = runs.timestamps_ms
    values = np.full(shape, np.nan)
    values[cells] = runs.values
    has_stale = bool(stale_mask(runs.values).any())
    return Columns(labels_of(runs.series_ids), timestamps_ms, values, runs.lengths, has_stale)
