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
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Runs:
    """Samples of series one behind the other: series ``i`` has ``lengths[i]``, in order of time."""

    series_ids: Ints
    lengths: Ints
    timestamps_ms: Ints
    values: Floats


@dataclass(frozen=True, slots=True)
class Layout:
    """How runs of some series become a matrix: the times of its columns, and which of all cells it takes.

    ``timestamps_ms`` and ``lengths`` are those of :class:`Columns`. ``cells`` says which values of the
    matrix are real, and ``picked`` which of all values these are; None is all.
    """

    series_ids: Ints
    timestamps_ms: Ints
    lengths: Ints | None
    cells: Mask | None
    picked: Mask | None

    def matrix(self, values: Floats) -> Floats:
        """The matrix of one value for each sample; NaN behind the last of each row."""
        if self.picked is not None:
            values = values[self.picked]
        if self.cells is None:
            return values.reshape(len(self.series_ids), -1)
        matrix = np.full(self.cells.shape, np.nan)
        matrix[self.cells] = values
        return matrix


def no_runs() -> Runs:
    """No samples of no series."""
    empty: Ints = np.empty(0, dtype=np.int64)
    return Runs(empty, empty, empty, np.empty(0))


def join_runs(parts: Sequence[Runs]) -> Runs:
    """Put runs of different series behind each other."""
    return Runs(
        np.concatenate([part.series_ids for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.timestamps_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def merge_runs(*parts: Runs) -> Runs:
    """Runs sorted by series, of which each part has later samples than the one before."""
    series_ids = np.concatenate([np.repeat(part.series_ids, part.lengths) for part in parts])
    timestamps_ms = np.concatenate([part.timestamps_ms for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(series_ids, kind="stable")
    ids, lengths = np.unique(series_ids, return_counts=True)
    return Runs(ids, lengths, timestamps_ms[order], values[order])


def last_of_equals(series_ids: Ints, timestamps_ms: Ints) -> Mask:
    """Of samples sorted by series, then time: which are the last one of their series at their time."""
    is_last = np.ones(len(series_ids), dtype=np.bool_)
    is_last[:-1] = (series_ids[1:] != series_ids[:-1]) | (timestamps_ms[1:] != timestamps_ms[:-1])
    return is_last


def runs_from_sorted(series_ids: Ints, timestamps_ms: Ints, values: Floats) -> Runs:
    """Make runs of samples sorted by series, then time; of equal times the last one counts."""
    is_last = last_of_equals(series_ids, timestamps_ms)
    ids, lengths = np.unique(series_ids[is_last], return_counts=True)
    return Runs(ids, lengths, timestamps_ms[is_last], values[is_last])


def columns_from_runs(runs: Runs, labels_of: LabelsOf) -> list[Columns]:
    """Arrange runs as blocks; see :func:`layouts`."""
    blocks = []
    for layout in layouts(runs.series_ids, runs.lengths, runs.timestamps_ms):
        values = layout.matrix(runs.values)
        has_stale = bool(stale_mask(values).any())
        labels = labels_of(layout.series_ids)
        blocks.append(Columns(labels, layout.timestamps_ms, values, layout.lengths, has_stale))
    return blocks


def layouts(series_ids: Ints, lengths: Ints, timestamps_ms: Ints) -> list[Layout]:
    """One *shared* block if all series have the same times, else *ragged* ones.

    Ragged blocks hold runs whose lengths lie between two powers of two, so that padding at most
    doubles the memory and the number of blocks stays small.
    """
    if len(series_ids) == 0:
        return []
    if (shared := _shared(series_ids, lengths, timestamps_ms)) is not None:
        return [shared]
    exponents = np.frexp(lengths)[1]
    return [
        _ragged(series_ids, lengths, timestamps_ms, exponents == exponent)
        for exponent in np.unique(exponents)
    ]


def _shared(series_ids: Ints, lengths: Ints, timestamps_ms: Ints) -> Layout | None:
    length = int(lengths[0])
    if (lengths != length).any():
        return None
    times_ms = timestamps_ms.reshape(-1, length)
    if (times_ms != times_ms[0]).any():
        return None
    return Layout(series_ids, times_ms[0], None, None, None)


def _ragged(series_ids: Ints, lengths: Ints, timestamps_ms: Ints, wanted: Mask) -> Layout:
    picked = np.repeat(wanted, lengths)
    series_ids, lengths = series_ids[wanted], lengths[wanted]
    cells = np.arange(int(lengths.max())) < lengths[:, np.newaxis]
    times_ms = np.full(cells.shape, PADDING_MS, dtype=np.int64)
    times_ms[cells] = timestamps_ms[picked]
    return Layout(series_ids, times_ms, lengths, cells, picked)
