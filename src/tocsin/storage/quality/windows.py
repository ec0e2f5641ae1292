"""Sliding windows over the newest values of many series, and their median and MAD.

A value is judged by the median and the median absolute deviation (MAD) of the values before it. They are
computed anew when a series has ``min_samples`` values, and from then on once in ``window / 10`` values, so
they are at most that many values old; different series have their turn at different times. The MAD is
scaled so that it estimates the standard deviation where values are normally distributed.

Reference: Leys et al., "Detecting outliers: Do not use standard deviation around the mean, use absolute
deviation around the median", Journal of Experimental Social Psychology 49 (2013).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.storage.quality.columns import LONG_AGO_MS, Column, Mask, Rows, Times, Values

NORMAL_SCALE: Final = 1.4826
"""The standard deviation of a normal distribution in terms of its MAD."""

_REFRESHES_PER_WINDOW: Final = 10
_ROWS_AT_A_TIME: Final = 4096

_Matrix: TypeAlias = npt.NDArray[np.float64]


class Windows:
    """The last ``window`` values of each slot. What is put in are finite values, each later than the last.

    ``limit`` is how far from the centre a value may be; infinite while there are too few values, or when
    they do not differ at all.
    """

    def __init__(self, window: int, min_samples: int, threshold: float, min_deviation: float) -> None:
        self.window = window
        self._min_samples = min_samples
        self._threshold = threshold
        self._min_deviation = min_deviation
        self._every = max(1, window // _REFRESHES_PER_WINDOW)
        self.time_ms = Column(LONG_AGO_MS, np.int64)
        self._count = Column(0, np.int64)
        self._center = Column(0.0, np.float64)
        self._limit = Column(np.inf, np.float64)
        self._values = Column(np.nan, np.float64, window)
        self.state = (self.time_ms, self._count, self._center, self._limit)
        self.columns = (*self.state, self._values)

    def push(self, slots: Rows, times_ms: Times, values: Values) -> Mask:
        """Judge one value of each slot by those before it, put it in, and say which are too far away."""
        is_far = _is_far(values, self._center.data[slots], self._limit.data[slots])
        counts = self._count.data[slots]
        self._values.data[slots, counts % self.window] = values
        self._count.data[slots] = counts + 1
        self.time_ms.data[slots] = times_ms
        due = slots[self._is_due(slots, counts + 1)]
        for start in range(0, len(due), _ROWS_AT_A_TIME):
            some = due[start : start + _ROWS_AT_A_TIME]
            self._center.data[some], self._limit.data[some] = self._figures(self._values.data[some])
        return is_far

    def push_many(self, slots: Rows, times_ms: Times, values: Values) -> Mask:
        """The same for any number of values of each slot, in order of slot and time."""
        runs = _Runs(slots)
        counts = self._count.data[slots] + runs.positions
        centers, limits = self._center.data[slots], self._limit.data[slots]
        is_due = self._is_due(slots, counts + 1)
        due = np.flatnonzero(is_due)
        due_centers, due_limits = self._figures_within(runs, values, due)
        # Which refresh of its series was the last before a value; none stands for that of an earlier batch.
        before: Rows = np.cumsum(is_due) - is_due
        latest = before - 1
        is_here = latest >= before[runs.starts][runs.numbers]
        centers[is_here], limits[is_here] = due_centers[latest[is_here]], due_limits[latest[is_here]]
        is_far = _is_far(values, centers, limits)
        self._keep(runs, times_ms, values, counts)
        self._center.data[slots[due]], self._limit.data[slots[due]] = due_centers, due_limits
        return is_far

    def _is_due(self, slots: Rows, counts: Rows) -> Mask:
        is_turn = (counts > self._min_samples) & ((counts + slots) % self._every == 0)
        due: Mask = (counts == self._min_samples) | is_turn
        return due

    def _figures(self, windows: _Matrix) -> tuple[Values, Values]:
        """Centre and limit of rows, in which NaN stands where there is no value."""
        # Values may be so large that their difference is infinite, which then is the limit.
        with np.errstate(over="ignore"):
            center = _median(windows)
            deviation = _median(np.abs(windows - center[:, np.newaxis]))
            spread = np.maximum(NORMAL_SCALE * deviation, self._min_deviation)
            return center, np.where(spread > 0, self._threshold * spread, np.inf)

    def _figures_within(self, runs: _Runs, values: Values, due: Rows) -> tuple[Values, Values]:
        """Centre and limit after some of the values of a batch, each from the window that ends there."""
        if not len(due):
            return np.empty(0), np.empty(0)
        line, places = self._line(runs, values)
        windows = sliding_window_view(line, self.window)
        parts = [
            self._figures(windows[places[due[start : start + _ROWS_AT_A_TIME]] + 1 - self.window])
            for start in range(0, len(due), _ROWS_AT_A_TIME)
        ]
        centers, limits = zip(*parts, strict=True)
        return np.concatenate(centers), np.concatenate(limits)

    def _line(self, runs: _Runs, values: Values) -> tuple[Values, Rows]:
        """Window and new values of each series behind each other, and where the new ones are."""
        steps = np.arange(self.window)
        oldest_first = (self._count.data[runs.slots][:, np.newaxis] + steps) % self.window
        line = np.empty(len(values) + len(runs.slots) * self.window)
        begins = runs.starts + np.arange(len(runs.slots)) * self.window
        line[begins[:, np.newaxis] + steps] = self._values.data[runs.slots[:, np.newaxis], oldest_first]
        places = np.arange(len(values)) + (runs.numbers + 1) * self.window
        line[places] = values
        return line, places

    def _keep(self, runs: _Runs, times_ms: Times, values: Values, counts: Rows) -> None:
        """Put the last values of each series in the place of its oldest."""
        is_kept = runs.positions >= (runs.lengths - self.window)[runs.numbers]
        slots = runs.slots[runs.numbers[is_kept]]
        self._values.data[slots, counts[is_kept] % self.window] = values[is_kept]
        self._count.data[runs.slots] += runs.lengths
        self.time_ms.data[runs.slots] = times_ms[runs.starts + runs.lengths - 1]


class _Runs:
    """Equal slots that stand behind each other: a run each, and where in them each sample is."""

    def __init__(self, slots: Rows) -> None:
        self.starts = np.flatnonzero(np.append(True, slots[1:] != slots[:-1])[: len(slots)])
        self.slots = slots[self.starts]
        self.lengths = np.diff(np.append(self.starts, len(slots)))
        self.numbers = np.repeat(np.arange(len(self.starts)), self.lengths)
        self.positions = np.arange(len(slots)) - self.starts[self.numbers]


def _is_far(values: Values, centers: Values, limits: Values) -> Mask:
    with np.errstate(over="ignore"):
        is_far: Mask = np.abs(values - centers) > limits
    return is_far


def _median(rows: _Matrix) -> Values:
    """The median of each row without its NaN, of which there may be any number but all."""
    ordered = np.sort(rows, axis=1)
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    row = np.arange(len(rows))
    lower, upper = ordered[row, (count - 1) // 2], ordered[row, count // 2]
    # The sum of two huge values is infinite, which must not happen to a value in the middle.
    median: Values = np.where(lower == upper, lower, (lower + upper) / 2)
    return median
