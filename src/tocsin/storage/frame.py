"""A frame: series that are sampled together, as one matrix over one time axis."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tocsin.model import stale_mask

Rows: TypeAlias = npt.NDArray[np.int64]
Times: TypeAlias = npt.NDArray[np.int64]
Values: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

_MIN_COLUMNS: Final = 16

_ABSENT_BITS: Final = np.uint64(0x7FF8_0000_0000_AB5E)
_ABSENT: Final = np.array([_ABSENT_BITS]).view(np.float64)[0]
"""The NaN that stands where a series has no sample; samples never carry these bits (Head sees to that)."""


def present_mask(values: Values) -> Mask:
    """Say for each cell whether there is a sample."""
    mask: Mask = values.view(np.uint64) != _ABSENT_BITS
    return mask


class Frame:
    """A matrix with a row for each series and a column for each time, oldest first.

    Arrays handed out are never changed in the columns that they cover, save when a sample is
    overwritten; growing, trimming and inserting work on copies. So a reader needs the owner's
    lock only while it takes its views.
    """

    def __init__(self, series_ids: Rows) -> None:
        count = len(series_ids)
        self.series_ids = series_ids.copy()
        self.length = 0
        self._times: Times = np.empty(_MIN_COLUMNS, dtype=np.int64)
        self._values: Values = np.empty((count, _MIN_COLUMNS))
        self._sample_counts = np.zeros(count, dtype=np.int64)
        self._first_columns = np.zeros(count, dtype=np.int64)
        self._has_stale = np.zeros(count, dtype=np.bool_)

    @property
    def row_count(self) -> int:
        """How many series there are."""
        return len(self.series_ids)

    @property
    def times(self) -> Times:
        """The time axis, in ms."""
        return self._times[: self.length]

    @property
    def values(self) -> Values:
        """The matrix; cells without a sample hold a NaN that :func:`present_mask` knows."""
        return self._values[: self.row_count, : self.length]

    def column_range(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The columns (first, last + 1) of the times from ``start_ms`` to ``end_ms``, both included."""
        first = int(np.searchsorted(self.times, start_ms, side="left"))
        return first, int(np.searchsorted(self.times, end_ms, side="right"))

    def complete(self, rows: Rows, first: int) -> Mask:
        """Say for each row whether it has a sample in every column from ``first`` on."""
        first_columns = self._first_columns[rows]
        mask: Mask = (first_columns <= first) & (self._sample_counts[rows] == self.length - first_columns)
        return mask

    def has_stale(self, rows: Rows) -> bool:
        """Whether any of the rows may hold a staleness marker."""
        return bool(self._has_stale[rows].any())

    def add_rows(self, series_ids: Rows) -> Rows:
        """Add series without samples; returns their rows."""
        start = self.row_count
        self.series_ids = np.concatenate([self.series_ids, series_ids])
        missing = self.row_count - len(self._values)
        if missing > 0:
            self._values = _grown(self._values, rows=max(missing, len(self._values)), columns=0)
        self._values[start : self.row_count, : self.length] = _ABSENT
        extra = len(series_ids)
        self._sample_counts = np.append(self._sample_counts, np.zeros(extra, dtype=np.int64))
        self._first_columns = np.append(self._first_columns, np.full(extra, self.length))
        self._has_stale = np.append(self._has_stale, np.zeros(extra, dtype=np.bool_))
        return np.arange(start, self.row_count)

    def put(self, time_ms: int, rows: Rows, values: Values) -> None:
        """Write one sample for each of some rows, at one time; an earlier one at that time is replaced.

        No row may be named twice.
        """
        column = self._column(time_ms)
        before = present_mask(self._values[rows, column])
        self._values[rows, column] = values
        self._sample_counts[rows] += ~before
        self._first_columns[rows] = np.minimum(self._first_columns[rows], column)
        self._has_stale[rows] |= stale_mask(values)

    def _column(self, time_ms: int) -> int:
        """The column of a time, made when it is missing."""
        if self.length == 0 or time_ms > self._times[self.length - 1]:
            return self._append_column(time_ms)
        column = int(np.searchsorted(self.times, time_ms))
        if self._times[column] != time_ms:
            self._insert_column(column, time_ms)
        return column

    def _append_column(self, time_ms: int) -> int:
        if self.length == len(self._times):
            spare = _spare(self.length)
            self._times = np.concatenate([self._times, np.empty(spare, dtype=np.int64)])
            self._values = _grown(self._values, rows=0, columns=spare)
        self._times[self.length] = time_ms
        self._values[: self.row_count, self.length] = _ABSENT
        self.length += 1
        return self.length - 1

    def _insert_column(self, column: int, time_ms: int) -> None:
        self._times = np.insert(self._times, column, time_ms)
        self._values = np.insert(self._values, column, _ABSENT, axis=1)
        self.length += 1
        # A row without samples starts behind the last column, wherever that is.
        self._first_columns[self._first_columns >= column] += 1

    def trim(self, start_ms: int) -> None:
        """Forget the samples before ``start_ms``, and rows and columns that have none left."""
        cut = int(np.searchsorted(self.times, start_ms, side="left"))
        if cut == 0:
            return
        self._sample_counts -= present_mask(self.values[:, :cut]).sum(axis=1)
        self._first_columns = np.maximum(self._first_columns - cut, 0)
        self._times = self.times[cut:].copy()
        self._values = self.values[:, cut:]
        self.length -= cut
        self._keep(np.flatnonzero(self._sample_counts))

    def split(self, rows: Rows) -> Frame:
        """Copy some rows into a frame of their own that has only the columns they need; drops them here."""
        values = self.values[rows]
        needed = present_mask(values).any(axis=0)
        part = Frame(self.series_ids[rows])
        part.fill(self.times[needed], values[:, needed])
        self._keep(np.setdiff1d(np.arange(self.row_count), rows))
        return part

    def fill(self, times: Times, values: Values) -> None:
        """Set the content of a frame that has none; absent cells are allowed."""
        spare = _spare(len(times))
        self._times = np.concatenate([times, np.empty(spare, dtype=np.int64)])
        self._values = _grown(values, rows=0, columns=spare)
        self.length = len(times)
        present = present_mask(values)
        self._sample_counts = present.sum(axis=1)
        # The column of True behind the last one is found where a row has no sample.
        self._first_columns = np.c_[present, np.ones(len(present), dtype=np.bool_)].argmax(axis=1)
        self._has_stale = np.any(stale_mask(values), axis=1)

    def _keep(self, rows: Rows) -> None:
        self._values = self._values[rows]
        self.series_ids = self.series_ids[rows]
        self._sample_counts = self._sample_counts[rows]
        self._first_columns = self._first_columns[rows]
        self._has_stale = self._has_stale[rows]


def _spare(length: int) -> int:
    """How many columns to make room for: a quarter more keeps both copying and idle memory small."""
    return max(_MIN_COLUMNS, length // 4)


def _grown(values: Values, *, rows: int, columns: int) -> Values:
    """Copy into a larger matrix; what is new stays unwritten, so that it takes no memory yet."""
    height, width = values.shape
    grown = np.empty((height + rows, width + columns))
    grown[:height, :width] = values
    return grown
