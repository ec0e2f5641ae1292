"""A histogram as Prometheus counts one, that takes many values at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from math import fsum

from tocsin.sdk.readings import Reading


class Histogram:
    """Counts of values up to each of some limits, their number and their sum. Not for several threads.

    >>> histogram = Histogram((0.1, 1.0))
    >>> histogram.take([0.05, 0.1, 7.0])
    >>> histogram.up_to, histogram.count
    ([2, 2], 3)
    """

    __slots__ = ("_limits", "_texts", "count", "sum", "up_to")

    def __init__(self, limits: Sequence[float]) -> None:
        self._limits = limits
        self._texts = [repr(float(limit)) for limit in limits]
        self.up_to = [0] * len(limits)
        self.count = 0
        self.sum = 0.0

    def take(self, ordered: Sequence[float]) -> None:
        """Count values, which come in order of their size."""
        if not ordered:
            return
        for position, limit in enumerate(self._limits):
            self.up_to[position] += bisect_right(ordered, limit)
        self.count += len(ordered)
        self.sum += fsum(ordered)

    def readings(self, name: str, own: tuple[tuple[str, str], ...] = ()) -> Iterator[Reading]:
        """The series ``<name>_bucket``, ``…_sum`` and ``…_count``; none before there is a value."""
        if not self.count:
            return
        for text, count in zip(self._texts, self.up_to, strict=True):
            yield Reading(f"{name}_bucket", float(count), (*own, ("le", text)))
        yield Reading(f"{name}_bucket", float(self.count), (*own, ("le", "+Inf")))
        yield Reading(f"{name}_sum", self.sum, own)
        yield Reading(f"{name}_count", float(self.count), own)
