"""Thinning: which steps are sent when a training takes more of them than anybody can look at.

Guarantee: as long as no second holds more than 20 steps, every step is sent. Beyond that, of each
bucket of 50 ms and of each value are sent the last, the first lowest, the first highest and the
first NaN, so that no spike, no infinity and no NaN is ever hidden. Timestamps rise strictly: a step
that falls into the same millisecond as the one before moves to the next free one, and a bucket
that needs more milliseconds than it lasts simply lasts longer.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from math import isnan
from operator import itemgetter
from typing import Final

Step = tuple[int, int, dict[str, float]]
"""When it was taken (ns since 1970), its number, its values."""

Row = tuple[int, int, dict[str, float]]
"""When it is said to have been taken (ms since 1970, unlike any other row's), its number, its values."""

_Column = tuple[str, Sequence[int], list[float]]
"""A value's name, the indices of the steps that have it, and its course over them."""

WHOLE_STEPS_PER_SECOND: Final = 20
BUCKET_MS: Final = 50

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

_CLOCK_JUMP_MS: Final = 2000
"""A step this much older than the row before it means that the machine's clock was set back."""

_OPEN_LIMIT: Final = 1024
"""Steps a bucket holds before it is thinned for the first time."""

_time_ns = itemgetter(0)


def thin(steps: Sequence[Step]) -> list[Step]:
    """Keep of each value the last, the first lowest, the first highest and the first NaN.

    Thinning what was thinned before changes nothing: ``thin(thin(a) + b) == thin(a + b)``.
    The last step stays, even without values.
    """
    kept: dict[int, dict[str, float]] = {len(steps) - 1: {}} if steps else {}
    for name, indices, column in _columns(steps):
        for position in _extremes(column):
            kept.setdefault(indices[position], {})[name] = column[position]
    return [(steps[index][0], steps[index][1], kept[index]) for index in sorted(kept)]


def _columns(steps: Sequence[Step]) -> list[_Column]:
    values = [step[2] for step in steps]
    if len(set(map(len, values))) == 1:
        with contextlib.suppress(KeyError):
            everywhere = range(len(values))
            return [(name, everywhere, [each[name] for each in values]) for name in values[0]]
    return [_sparse_column(name, values) for name in set().union(*values)]


def _sparse_column(name: str, values: Sequence[dict[str, float]]) -> _Column:
    indices = [index for index, each in enumerate(values) if name in each]
    return name, indices, [values[index][name] for index in indices]


def _extremes(column: list[float]) -> tuple[int, ...]:
    last = len(column) - 1
    if _may_hold_nan(column):
        return (last, *_extremes_beside_nan(column))
    return (last, column.index(min(column)), column.index(max(column)))


def _may_hold_nan(column: list[float]) -> bool:
    try:
        return isnan(sum(column))
    except OverflowError:  # an int beyond all floats
        return True


def _extremes_beside_nan(column: list[float]) -> Iterator[int]:
    numbers = [value for value in column if value == value]
    if numbers:
        yield column.index(min(numbers))
        yield column.index(max(numbers))
    yield from islice((index for index, value in enumerate(column) if value != value), 1)


class Thinner:
    """Turns steps, as they were taken, into rows to send. Not for several threads at a time."""

    def __init__(self) -> None:
        self._open: list[Step] = []
        self._begin_ns = 0
        self._end_ns = 0
        self._newest_ms = 0
        self._recent_ns: deque[int] = deque(maxlen=WHOLE_STEPS_PER_SECOND + 1)

    def add(self, steps: Sequence[Step]) -> list[Row]:
        """Take steps in their order; returns the rows of the buckets that this closed."""
        rows: list[Row] = []
        start = 0
        while start < len(steps):
            time_ns = steps[start][0]
            if self._open and not self._begin_ns - _CLOCK_JUMP_MS * _NS_PER_MS <= time_ns < self._end_ns:
                rows += self.close()
            if not self._open:
                self._begin(time_ns)
            end = bisect_left(steps, self._end_ns, lo=start + 1, key=_time_ns)
            self._extend(steps[start:end])
            start = end
        return rows

    def close_due(self, now_ns: int) -> list[Row]:
        """The rows of the open bucket, once its time is over."""
        return self.close() if now_ns >= self._end_ns else []

    def close(self) -> list[Row]:
        """The rows of the open bucket."""
        steps = thin(self._open) if self._is_crowded() else self._open
        self._open = []
        return [(self._stamp_ms(time_ns), number, values) for time_ns, number, values in steps]

    def newest(self) -> dict[str, float]:
        """The newest values of the open bucket."""
        merged: dict[str, float] = {}
        for _, _, values in self._open:
            merged.update(values)
        return merged

    def _begin(self, time_ns: int) -> None:
        begin_ms = self._free_ms(time_ns // _NS_PER_MS)
        self._begin_ns = time_ns
        self._end_ns = (begin_ms + BUCKET_MS) * _NS_PER_MS

    def _extend(self, steps: Sequence[Step]) -> None:
        self._recent_ns.extend(step[0] for step in steps[-WHOLE_STEPS_PER_SECOND - 1 :])
        self._open += thin(steps) if self._is_crowded() else steps
        if len(self._open) > _OPEN_LIMIT:
            self._open = thin(self._open)

    def _is_crowded(self) -> bool:
        is_full = len(self._recent_ns) == WHOLE_STEPS_PER_SECOND + 1
        return is_full and self._recent_ns[-1] - self._recent_ns[0] < _NS_PER_S

    def _stamp_ms(self, time_ns: int) -> int:
        self._newest_ms = self._free_ms(time_ns // _NS_PER_MS)
        return self._newest_ms

    def _free_ms(self, time_ms: int) -> int:
        """The given millisecond, or the next that no row has yet."""
        is_taken = self._newest_ms - _CLOCK_JUMP_MS <= time_ms <= self._newest_ms
        return self._newest_ms + 1 if is_taken else time_ms
