"""How many steps a second a training takes, also when it takes one in a minute or stops."""

from __future__ import annotations

from collections import deque
from typing import Final

_WINDOW_NS: Final = 5_000_000_000
_NS_PER_S: Final = 1_000_000_000


class Pace:
    """Steps per second over the last five seconds, or over the last two steps when they are slower.

    When the next step is overdue the time that it is late counts too, so that the pace of a
    training that hangs falls towards zero.

    >>> pace = Pace()
    >>> pace.update(1, 0), pace.update(11, 2_000_000_000)
    (None, None)
    >>> pace.per_second(2_000_000_000)
    5.0
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque()

    def update(self, count: int, time_ns: int) -> None:
        """Note how many steps had been taken at the time of the newest."""
        self._marks.append((count, time_ns))
        while len(self._marks) > 2 and self._marks[1][1] <= time_ns - _WINDOW_NS:
            self._marks.popleft()

    def per_second(self, now_ns: int) -> float | None:
        """The pace now; None before there are two steps."""
        if len(self._marks) < 2:
            return None
        (first_count, first_ns), (last_count, last_ns) = self._marks[0], self._marks[-1]
        steps, duration_ns = last_count - first_count, last_ns - first_ns
        if steps <= 0 or duration_ns <= 0:
            return None
        late_ns = max(0.0, now_ns - last_ns - duration_ns / steps)
        return steps * _NS_PER_S / (duration_ns + late_ns)
