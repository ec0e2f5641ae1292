"""Range vectors as index pairs: which samples of each series lie in the window of each step.

A window is half open as in Prometheus 3: its samples have ``end - range < t <= end``. Where all
series of a block share their times one pair of indices a step serves them all, and a selection of
columns is a slice; else there is a pair for each series and step. Whatever is computed here is the
same for both, by broadcasting.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, cast

import numpy as np

from tocsin.model import Columns as Samples
from tocsin.promql.limits import Budget
from tocsin.promql.values import Bools, Floats, Ints

CHUNK_VALUES: Final = 1 << 18
"""Values worked on at a time: two megabytes, so that intermediate results stay in the cache."""

EXPANDED_VALUES: Final = 1 << 20
"""Values at a time where every window is written out."""

_MAX_CUTS: Final = 6
_FEW_VALUES: Final = 1 << 16

Columns = slice | Ints
Kernel = Callable[..., Floats]


def last_at_or_before(timestamps_ms: Ints, times_ms: Ints) -> Ints:
    """For each time how many samples are not after it, shape ``(k,)`` or ``(n, k)``.

    ``times_ms`` never falls; rows of ``timestamps_ms`` are sorted.
    """
    if timestamps_ms.ndim == 1:
        return np.searchsorted(timestamps_ms, times_ms, side="right")
    if times_ms[0] == times_ms[-1]:
        count = np.count_nonzero(timestamps_ms <= times_ms[0], axis=1)
        return np.repeat(count[:, None], len(times_ms), axis=1)
    return _counts_by_row(timestamps_ms, times_ms)


def _counts_by_row(timestamps_ms: Ints, times_ms: Ints) -> Ints:
    # Each sample belongs to the first step that is not before it; adding up counts along the
    # steps gives what a binary search for each series and step would.
    rows, count = len(timestamps_ms), len(times_ms)
    steps_ms = np.diff(times_ms)
    if steps_ms[0] > 0 and (steps_ms == steps_ms[0]).all():
        capped = np.minimum(timestamps_ms, times_ms[-1] + 1)
        bins = -((times_ms[0] - capped) // steps_ms[0])
        np.clip(bins, 0, count, out=bins)
    else:
        bins = np.searchsorted(times_ms, timestamps_ms)
    bins += (np.arange(rows) * (count + 1))[:, None]
    counts = np.bincount(bins.ravel(), minlength=rows * (count + 1)).reshape(rows, count + 1)
    return np.cumsum(counts[:, :-1], axis=1)


def as_slice(index: Ints) -> Columns:
    """The same columns as a slice where they are evenly spaced, so that taking them copies nothing."""
    if index.ndim == 1 and len(index):
        stride = int(index[1] - index[0]) if len(index) > 1 else 1
        if stride > 0 and int(index[0]) >= 0 and (np.diff(index) == stride).all():
            return slice(int(index[0]), int(index[-1]) + 1, stride)
    return index


def take_columns(matrix: Floats, index: Columns) -> Floats:
    """Columns of a matrix, the same for all rows or for each row its own."""
    if isinstance(index, slice) or index.ndim == 1:
        return matrix[:, index]
    return np.take_along_axis(matrix, index, axis=1)


def difference_of_columns(matrix: Floats, index: Columns, other: Columns) -> Floats:
    """``matrix[:, index] - matrix[:, other]`` of a contiguous matrix.

    Where one index is the other shifted, all values are subtracted as one row: NumPy takes as long to
    begin another row as for a thousand more values.
    """
    if not (
        isinstance(index, slice)
        and isinstance(other, slice)
        and index.step == other.step
        and index.start >= other.start
    ):
        return take_columns(matrix, index) - take_columns(matrix, other)
    shift = index.start - other.start
    flat = matrix.ravel()
    kept = len(flat) - shift
    difference = np.empty(matrix.shape)
    np.subtract(flat[shift:], flat[:kept], out=difference.ravel()[:kept])
    return difference[:, other]


@dataclass(frozen=True)
class Windows:
    """The windows of all steps over one block of series without staleness markers.

    ``first`` and ``stop`` bound the samples, shape ``(k,)`` when all series share their times and
    ``(n, k)`` else. ``ends_ms`` are the right ends, ``times_ms`` the times of evaluation, which
    differ by offset and ``@``. Long computations look at ``budget`` again and again.
    """

    timestamps_ms: Ints
    values: Floats
    first: Ints
    stop: Ints
    ends_ms: Ints
    range_ms: int
    times_ms: Ints
    budget: Budget

    @classmethod
    def over(cls, block: Samples, ends_ms: Ints, range_ms: int, times_ms: Ints, budget: Budget) -> Windows:
        """The windows of a length over a block that end at the times given."""
        stop = last_at_or_before(block.timestamps_ms, ends_ms)
        first = last_at_or_before(block.timestamps_ms, ends_ms - range_ms)
        return cls(block.timestamps_ms, block.values, first, stop, ends_ms, range_ms, times_ms, budget)

    @property
    def contiguous(self) -> Windows:
        """The same with values that stand in memory without gaps."""
        return self if self.values.flags.c_contiguous else self.with_values(np.ascontiguousarray(self.values))

    def with_values(self, values: Floats) -> Windows:
        """Values of other series that are sampled at the same times, or of some of these."""
        part = replace(self, values=values)
        # What depends on times alone is computed once for all.
        for name in ("counts", "widest", "first_columns", "last_columns", "edges"):
            if self.is_shared:
                part.__dict__[name] = getattr(self, name)
        return part

    @property
    def is_shared(self) -> bool:
        """Whether the same columns hold for all series."""
        return self.first.ndim == 1

    @property
    def shape(self) -> tuple[int, int]:
        """Series and steps."""
        return len(self.values), len(self.times_ms)

    @cached_property
    def counts(self) -> Ints:
        """How many samples each window has."""
        return self.stop - self.first

    @cached_property
    def widest(self) -> int:
        """How many samples the fullest window has."""
        return int(self.counts.max(initial=0))

    @cached_property
    def first_columns(self) -> Columns:
        """The column of each window's first sample; any valid one where a window is empty."""
        return as_slice(np.minimum(self.first, max(0, self.values.shape[1] - 1)))

    @cached_property
    def last_columns(self) -> Columns:
        """The column of each window's last sample; any valid one where a window is empty."""
        return as_slice(np.maximum(self.stop - 1, 0))

    @cached_property
    def edges(self) -> tuple[Columns, Columns]:
        """``first`` and ``stop`` as columns of running sums, which have one column more."""
        return as_slice(self.first), as_slice(self.stop)

    def times_at(self, columns: Columns) -> Ints:
        """The times of one sample a window."""
        if self.is_shared:
            return self.timestamps_ms[columns]
        return np.take_along_axis(self.timestamps_ms, cast("Ints", columns), axis=1)

    def values_at(self, columns: Columns) -> Floats:
        """The values of one sample a window."""
        return take_columns(self.values, columns)

    def samples_of_first_step(self) -> Iterator[tuple[Ints, Floats]]:
        """Times and values of the first window of each series."""
        rows = len(self.values)
        firsts = np.broadcast_to(self.first[..., 0], rows).tolist()
        stops = np.broadcast_to(self.stop[..., 0], rows).tolist()
        for row, (first, stop) in enumerate(zip(firsts, stops, strict=True)):
            times_ms = self.timestamps_ms if self.is_shared else self.timestamps_ms[row]
            yield times_ms[first:stop], self.values[row, first:stop]

    def rows(self, rows: slice | Ints) -> Windows:
        """Some of the series."""
        if self.is_shared:
            return self.with_values(self.values[rows])
        return replace(
            self,
            timestamps_ms=self.timestamps_ms[rows],
            values=self.values[rows],
            first=self.first[rows],
            stop=self.stop[rows],
        )

    def steps(self, steps: slice) -> Windows:
        """Some of the steps."""
        return replace(
            self,
            first=self.first[..., steps],
            stop=self.stop[..., steps],
            ends_ms=self.ends_ms[steps],
            times_ms=self.times_ms[steps],
        )

    def pieces(
        self, kernel: Kernel, scalars: list[Floats], into: Floats | None
    ) -> Iterator[tuple[slice, Floats]]:
        """Apply a kernel to all windows, some series at a time: which these are, and their results.

        The kernel gets windows and scalars of shape ``(k,)`` and returns ``(n, k)``; what it makes of
        windows with too few samples does not matter. Results are written to ``into`` when it is given.
        """
        parts = [_Part(self, steps, kernel, scalars) for steps in self._even_steps()]
        for rows in self._row_chunks():
            self.budget.check()
            out = np.empty((rows.stop - rows.start, self.shape[1])) if into is None else into[rows]
            for part in parts:
                out[:, part.steps] = part.results(rows)
            yield rows, out

    def _row_chunks(self) -> Iterator[slice]:
        """Cut the series into parts small enough for the cache."""
        rows, steps = self.shape
        chunk = max(1, CHUNK_VALUES // max(steps, self.values.shape[1], 1))
        for start in range(0, rows, chunk):
            yield slice(start, min(start + chunk, rows))

    def _even_steps(self) -> list[slice]:
        """Cut the steps so that the bounds of windows advance evenly within each part, if a few cuts do.

        They do not at the beginning and the end of the samples. Columns that are evenly spaced are slices,
        which saves copies; of a few values these cost less than another call of the kernel.
        """
        if not self.is_shared or self.values.size < _FEW_VALUES:
            return [slice(None)]
        bends = np.flatnonzero((np.diff(self.first, 2) != 0) | (np.diff(self.stop, 2) != 0)) + 1
        cuts = [0, *bends.tolist(), len(self.times_ms)]
        if len(cuts) > _MAX_CUTS:
            return [slice(None)]
        return [slice(start, stop) for start, stop in itertools.pairwise(cuts)]

    def expanded(self) -> Iterator[Expanded]:
        """Write all windows out, some at a time."""
        rows, steps = self.shape
        width = max(1, self.widest)
        step_chunk = max(1, min(steps, EXPANDED_VALUES // width))
        row_chunk = max(1, EXPANDED_VALUES // (width * step_chunk))
        for step in range(0, steps, step_chunk):
            for row in range(0, rows, row_chunk):
                self.budget.check()
                row_part, step_part = slice(row, row + row_chunk), slice(step, step + step_chunk)
                yield self.rows(row_part).steps(step_part).write_out(width, row_part, step_part)

    def map_expanded(self, kernel: Callable[[Expanded], Floats]) -> Floats:
        """Apply a kernel to windows written out; it returns ``(n, k)``."""
        out = np.empty(self.shape)
        for part in self.expanded():
            out[part.rows, part.steps] = kernel(part)
        return out

    def write_out(self, width: int, rows: slice, steps: slice) -> Expanded:
        """Write the windows out side by side; ``rows`` and ``steps`` say which these are."""
        columns = self.first[..., None] + np.arange(width)
        real = columns < self.stop[..., None]
        np.minimum(columns, self.values.shape[1] - 1, out=columns)
        if self.is_shared:
            values, times_ms = self.values[:, columns], self.timestamps_ms[columns][None]
        else:
            each = np.arange(len(self.values))[:, None, None]
            values, times_ms = self.values[each, columns], self.timestamps_ms[each, columns]
        if not real.all():
            values = np.where(real, values, np.nan)
        return Expanded(self, rows, steps, values, np.broadcast_to(real, values.shape), times_ms)

    def cells(self, rows: Ints, steps: Ints) -> tuple[Floats, Bools]:
        """Some windows of a shared block written out, ``(m, w)``, and which samples are real."""
        columns = self.first[steps, None] + np.arange(max(1, self.widest))
        real = columns < self.stop[steps, None]
        np.minimum(columns, self.values.shape[1] - 1, out=columns)
        return np.where(real, self.values[rows[:, None], columns], np.nan), real

    def local_parts(self) -> Iterator[tuple[slice, Windows]]:
        """Cut the steps of shared windows so that each part spans about two windows of samples.

        Each part has just the columns it needs, so that sums over it can be taken relative to a
        value nearby, which keeps their precision.
        """
        steps = len(self.times_ms)
        advance = max(1, int(self.stop[-1] - self.stop[0]))
        chunk = max(1, self.widest * steps // advance)
        for start in range(0, steps, chunk):
            part = slice(start, start + chunk)
            yield part, self.cut(part)

    def cut(self, steps: slice) -> Windows:
        """Some of the steps, with just the columns that they need."""
        part = self.steps(steps)
        if not self.is_shared or not len(part.times_ms):
            return part
        columns = slice(int(part.first.min()), int(part.stop.max()))
        return replace(
            part,
            timestamps_ms=self.timestamps_ms[columns],
            values=self.values[:, columns],
            first=part.first - columns.start,
            stop=part.stop - columns.start,
        )

    @property
    def is_cheap_to_write_out(self) -> bool:
        """Whether writing all windows out takes hardly more than reading the samples."""
        return self.widest * len(self.times_ms) <= 4 * int(self.values.shape[1])


class _Part:
    """Some of the steps, to which a kernel is applied."""

    def __init__(self, windows: Windows, steps: slice, kernel: Kernel, scalars: list[Floats]) -> None:
        self.steps = steps
        self._windows = windows.cut(steps)
        self._kernel = kernel
        self._scalars = [scalar[steps] for scalar in scalars]
        rows, count = self._windows.shape
        # So few steps are not worth a call for each chunk of series.
        is_small = rows * max(count, self._windows.values.shape[1]) < CHUNK_VALUES
        self._all = self._compute(slice(0, rows)) if is_small else None

    def results(self, rows: slice) -> Floats:
        """What the kernel makes of some series."""
        return self._compute(rows) if self._all is None else self._all[rows]

    def _compute(self, rows: slice) -> Floats:
        if not self._windows.values.size:
            return np.full((rows.stop - rows.start, len(self._windows.times_ms)), np.nan)
        with np.errstate(all="ignore"):
            return self._kernel(self._windows.rows(rows), *self._scalars)


@dataclass(frozen=True, slots=True)
class Expanded:
    """Windows written out: samples ``(n, k, w)``, NaN behind the last, and which of them are real.

    ``times_ms`` has the same shape, or one row when all series share their times.
    """

    windows: Windows
    rows: slice
    steps: slice
    values: Floats
    real: Bools
    times_ms: Ints
