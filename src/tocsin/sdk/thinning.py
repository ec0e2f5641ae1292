"""Thinning: which steps are sent when a training takes more of them than anybody can look at.

Guarantee: as long as no second holds more than 20 steps, every step is sent. Beyond that, of each
bucket of 50 ms and of each value are sent the last, the first lowest, the first highest and the
first NaN, so that no spike, no infinity and no NaN is ever hidden. Timestamps rise strictly: a step
that falls into the same millisecond as the one before moves to the next free one, and a bucket
that needs more milliseconds than it lasts simply lasts longer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from math import isnan
from operator import itemgetter
from typing import Final

from tocsin.sdk.columns import Column, Columns, Step

Row = tuple[int, int, dict[str, float]]
"""When it is said to have been taken (ms since 1970, unlike any other row's), its number, its values."""

WHOLE_STEPS_PER_SECOND: Final = 20
BUCKET_MS: Final = 50

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

_CLOCK_JUMP_MS: Final = 2000
"""A step this much older than the row before it means that the machine's clock was set back."""

_OPEN_LIMIT: Final = 1024
"""Steps a bucket holds before it is thinned for the first time."""

_time_ns = itemgetter(0)


def thin(columns: Columns) -> list[Step]:
    """Keep of each value the last, the first lowest, the first highest and the first NaN.

    Thinning what was thinned before changes nothing: ``thin(thin(a) + b) == thin(a + b)``.
    The last step stays, even without values.
    """
    steps = columns.steps
    kept: dict[int, dict[str, float]] = {len(steps) - 1: {}} if steps else {}
    for name, column in columns:
        for position in _extremes(column):
            kept.setdefault(column.indices[position], {})[name] = column.values[position]
    return [(steps[index][0], steps[index][1], kept[index]) for index in sorted(kept)]


def _extremes(column: Column) -> tuple[int, ...]:
    values = column.values
    last = len(values) - 1
    if isnan(column.total):
        return (last, *_extremes_beside_nan(values))
    # Never slower than min() and max(), and several times as fast where values rise, fall or stay.
    ordered = sorted(values)
    return (last, values.index(ordered[0]), values.index(ordered[-1]))


def _extremes_beside_nan(column: Sequence[float]) -> Iterator[int]:
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

    def add(self, columns: Columns) -> list[Row]:
        """Take steps in their order; returns the rows of the buckets that this closed."""
        rows: list[Row] = []
        steps = columns.steps
        start = 0
        while start < len(steps):
            time_ns = steps[start][0]
            if self._open and not self._begin_ns - _CLOCK_JUMP_MS * _NS_PER_MS <= time_ns < self._end_ns:
                rows += self.close()
            if not self._open:
                self._begin(time_ns)
            end = bisect_left(steps, self._end_ns, lo=start + 1, key=_time_ns)
            self._extend(columns if end - start == len(steps) else Columns(steps[start:end]))
            start = end
        return rows

    def close_due(self, now_ns: int) -> list[Row]:
        """The rows of the open bucket, once its time is over."""
        return self.close() if now_ns >= self._end_ns else []

    def close(self) -> list[Row]:
        """The rows of the open bucket."""
        steps = thin(Columns(self._open)) if self._is_crowded() else self._open
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

    def _extend(self, columns: Columns) -> None:
        self._recent_ns.extend(step[0] for step in columns.steps[-WHOLE_STEPS_PER_SECOND - 1 :])
        self._open += thin(columns) if self._is_crowded() else columns.steps
        if len(self._open) > _OPEN_LIMIT:
            self._open = thin(Columns(self._open))

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
