"""How many steps or tokens a second a training takes, also when it takes one in a minute or stops."""

from __future__ import annotations

from collections import deque
from typing import Final

NOW_S: Final = 5.0
"""The window of the pace now."""

_NS_PER_S: Final = 1_000_000_000
_MARKS_PER_WINDOW: Final = 100


class Pace:
    """Counts per second over a window, or between the last two updates when they are further apart.

    When the next step is overdue the time that it is late counts too, so that the pace of a
    training that hangs falls towards zero.

    >>> pace = Pace()
    >>> pace.update(1, 0), pace.update(11, 2_000_000_000)
    (None, None)
    >>> pace.per_second(2_000_000_000)
    5.0
    """

    def __init__(self, window_s: float = NOW_S) -> None:
        self._window_ns = int(window_s * _NS_PER_S)
        self._apart_ns = self._window_ns // _MARKS_PER_WINDOW
        self._marks: deque[tuple[float, int]] = deque()

    def update(self, count: float, time_ns: int) -> None:
        """Note how much had been counted at the time of the newest step."""
        marks = self._marks
        # The newest mark moves until it is far enough from the one before, so that memory is bounded.
        if len(marks) > 2 and marks[-1][1] - marks[-2][1] < self._apart_ns:
            marks.pop()
        marks.append((count, time_ns))
        while len(marks) > 2 and marks[1][1] <= time_ns - self._window_ns:
            marks.popleft()

    def per_second(self, now_ns: int) -> float | None:
        """The pace now; None before there are two steps."""
        if len(self._marks) < 2:
            return None
        (first_count, first_ns), (last_count, last_ns) = self._marks[0], self._marks[-1]
        counted, duration_ns = last_count - first_count, last_ns - first_ns
        if counted <= 0 or duration_ns <= 0:
            return None
        late_ns = max(0.0, now_ns - last_ns - duration_ns / counted)
        return counted * _NS_PER_S / (duration_ns + late_ns)
