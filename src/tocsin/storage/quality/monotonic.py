"""Counters: which samples fall although the counter has not been reset.

With ``last`` the newest value that was accepted, a value below it

- is a *reset*, and accepted, when it is not negative and at most ``reset_below`` times ``last``;
- is accepted as well when the :data:`MAX_REFUSED` values before it were all refused: the counter then
  really is where it says;
- is refused otherwise, and ``last`` stays.

A staleness marker ends the comparison: any value may follow it. NaN is neither judged nor compared with,
and neither is a sample that is not newer than the newest one of its series.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.storage.quality.columns import LONG_AGO_MS, Column, Mask, Rows, Times, Values, learning
from tocsin.storage.quality.passage import Passage, Picked

MAX_REFUSED: Final = 5


class Monotonic:
    """The newest sample of each counter, by slot."""

    def __init__(self, reset_below: float) -> None:
        self._reset_below = reset_below
        self._time_ms = Column(LONG_AGO_MS, np.int64)
        self._last = Column(np.nan, np.float64)
        self._refused = Column(0, np.int64)
        self.columns = (self._time_ms, self._last, self._refused)

    def falling(self, passage: Passage, picked: Picked) -> Rows:
        """The samples to be refused, by position; all others are learnt from."""
        samples, slots = picked
        times_ms, values = passage.batch.timestamps_ms[samples], passage.batch.values[samples]
        is_learnable = ~np.isnan(values)
        if passage.stale is not None:
            is_learnable |= passage.stale[samples]
        # The marker is a signalling NaN, which numpy takes note of in arithmetic.
        with learning(passage.undo, self.columns, slots), np.errstate(invalid="ignore"):
            if passage.is_single:
                return samples[self._judge(slots, times_ms, values, is_learnable)]
            order = np.lexsort((times_ms, slots))
            falls = self._judge_in_turn(slots[order], times_ms[order], values[order], is_learnable[order])
            return np.sort(samples[order[falls]])

    def _judge(self, slots: Rows, times_ms: Times, values: Values, is_learnable: Mask) -> Mask:
        """Judge at most one sample of each slot."""
        last = self._last.data[slots]
        is_new = times_ms > self._time_ms.data[slots]
        is_reset = (values >= 0) & (values <= self._reset_below * last)
        falls = (values < last) & ~is_reset & is_new & (self._refused.data[slots] < MAX_REFUSED)
        self._refused.data[slots[falls]] += 1
        is_learnt = is_new & is_learnable & ~falls
        self._learn(slots[is_learnt], times_ms[is_learnt], values[is_learnt])
        return falls

    def _judge_in_turn(self, slots: Rows, times_ms: Times, values: Values, is_learnable: Mask) -> Mask:
        """Judge samples that are in order of slot and time; one by one where a series does not just rise."""
        falls = np.zeros(len(slots), dtype=np.bool_)
        is_doubted = np.isin(slots, slots[~self._rises(slots, times_ms, values)])
        ends = ~is_doubted & np.append(slots[1:] != slots[:-1], True)[: len(slots)]
        self._learn(slots[ends], times_ms[ends], values[ends])
        for index in np.flatnonzero(is_doubted).tolist():
            one = slice(index, index + 1)
            falls[one] = self._judge(slots[one], times_ms[one], values[one], is_learnable[one])
        return falls

    def _rises(self, slots: Rows, times_ms: Times, values: Values) -> Mask:
        """Which samples are later than the one before, and not below it."""
        before_ms, before = self._time_ms.data[slots], self._last.data[slots]
        follows = np.flatnonzero(slots[1:] == slots[:-1]) + 1
        before_ms[follows], before[follows] = times_ms[follows - 1], values[follows - 1]
        return (times_ms > before_ms) & ~np.isnan(values) & ~(values < before)

    def _learn(self, slots: Rows, times_ms: Times, values: Values) -> None:
        self._time_ms.data[slots] = times_ms
        self._last.data[slots] = values
        self._refused.data[slots] = 0
