"""The newest values of a series, with exact quantiles of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final

NORMAL_MAD: Final = 1.4826
"""The standard deviation of normal noise over its median absolute deviation."""


class SortedWindow:
    """The newest ``size`` finite values, kept in order as well.

    A push costs two searches and two moves in a list of ``size``: about a microsecond for 100 values.

    >>> window = SortedWindow(3)
    >>> for value in (5.0, 1.0, 2.0, 3.0): window.push(value)
    >>> window.median(), window.spread()
    (2.0, 1.4826)
    """

    __slots__ = ("_arrived", "_ordered", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._arrived: deque[float] = deque()
        self._ordered: list[float] = []

    def __len__(self) -> int:
        return len(self._ordered)

    def push(self, value: float) -> None:
        """Take a finite value; the oldest leaves when there are too many."""
        if len(self._arrived) == self.size:
            del self._ordered[bisect_left(self._ordered, self._arrived.popleft())]
        self._arrived.append(value)
        insort(self._ordered, value)

    def clear(self) -> None:
        """Forget all values."""
        self._arrived.clear()
        self._ordered.clear()

    def oldest(self) -> float:
        """The value that leaves next; there must be one."""
        return self._arrived[0]

    def median(self) -> float:
        """The upper median; there must be a value."""
        return self._ordered[len(self._ordered) // 2]

    def quantile(self, share: float) -> float:
        """The lowest value that at least ``share`` of all do not exceed; there must be a value."""
        return self._ordered[min(int(share * len(self._ordered)), len(self._ordered) - 1)]

    def spread(self) -> float:
        """The standard deviation, estimated by the median absolute deviation; costs a sort of the window."""
        centre = self.median()
        return NORMAL_MAD * sorted(abs(value - centre) for value in self._ordered)[len(self._ordered) // 2]
