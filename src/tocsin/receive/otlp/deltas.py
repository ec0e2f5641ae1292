"""Sums of deltas: Prometheus' counters tell what there was since their start, deltas what is new.

What is remembered is bounded. A series that was forgotten, or that another process has begun, starts anew,
which rate() and its relatives take for what it is: a counter that was reset.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from tocsin.errors import ParseError
from tocsin.model import Labels

MAX_VALUES: Final = 1_000_000
"""How many sums are remembered; a histogram has one for each bucket and two more."""


class _Stream(NamedTuple):
    """The sums of one series, up to a time; ``shape`` are the bounds of its buckets."""

    time_ns: int
    shape: tuple[float, ...]
    sums: tuple[float, ...]


_NO_STREAM: Final = _Stream(0, (), ())


class DeltaSums:
    """Adds up deltas by series, and forgets the series that were silent longest when there are too many."""

    def __init__(self, max_values: int = MAX_VALUES) -> None:
        self._max_values = max_values
        self._value_count = 0
        self._streams: OrderedDict[Labels, _Stream] = OrderedDict()

    def __len__(self) -> int:
        """How many sums are remembered."""
        return self._value_count

    def add(
        self, series: Labels, time_ns: int, deltas: Sequence[float], shape: tuple[float, ...] = ()
    ) -> tuple[float, ...]:
        """Add one delta for each value of a series and return the sums.

        The delta of the newest time, when it comes again, is one that was sent twice and counts once. Raises
        ParseError for one that is older. Other bounds of buckets, and values that are not finite, begin
        a series anew.
        """
        before = self._streams.get(series, _NO_STREAM)
        if time_ns < before.time_ns:
            raise ParseError(f"a delta of {series} is older than the one before it")
        self.forget(series)
        sums = tuple(map(float, deltas))
        if before.shape == shape and len(before.sums) == len(sums):
            is_repeated = time_ns == before.time_ns
            sums = before.sums if is_repeated else tuple(map(float.__add__, before.sums, sums))
        self._remember(series, _Stream(time_ns, shape, sums))
        return sums

    def forget(self, series: Labels) -> None:
        """Begin a series anew with its next delta."""
        self._value_count -= len(self._streams.pop(series, _NO_STREAM).sums)

    def _remember(self, series: Labels, stream: _Stream) -> None:
        """Put a series behind all others, which are in the order in which they were last heard of."""
        if not all(map(math.isfinite, stream.sums)):
            return
        self._streams[series] = stream
        self._value_count += len(stream.sums)
        while self._value_count > self._max_values:
            self._value_count -= len(self._streams.popitem(last=False)[1].sums)
