"""Who asks for ``/metrics``, and when each is to be expected again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event, Lock
from time import monotonic
from typing import Final

WAIT_LIMIT_S: Final = 15.0
"""A scrape that is further away is not waited for."""

_LATE_S: Final = 1.0
"""So much later than expected a scrape may come."""

_MOST: Final = 16
"""Scrapers that are told apart; the one that was heard first makes room."""


class Scrapers:
    """Notes scrapes by who made them, which is what the User-Agent says. ``clock`` gives seconds.

    Who came twice is expected again after the time that lay between, and no later than a second
    after that.

    >>> now_s = 100.0
    >>> scrapers = Scrapers(lambda: now_s)
    >>> scrapers.note("Prometheus/3.0", 80.0)
    >>> scrapers.note("Prometheus/3.0", 95.0)
    >>> scrapers.awaited_s(ended_s=100.0)
    11.0
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.happened = Event()
        self._clock = clock
        self._lock = Lock()
        self._times_s: dict[str, deque[float]] = {}

    def note(self, who: str, began_s: float) -> None:
        """Somebody has read the values, from this moment on."""
        with self._lock:
            if who not in self._times_s and len(self._times_s) >= _MOST:
                del self._times_s[next(iter(self._times_s))]
            self._times_s.setdefault(who, deque(maxlen=2)).append(began_s)
        self.happened.set()

    def forget(self, prefix: str) -> None:
        """Expect nobody whose name begins so."""
        with self._lock:
            self._times_s = {
                who: times_s for who, times_s in self._times_s.items() if not who.startswith(prefix)
            }

    def awaited_s(self, ended_s: float) -> float:
        """In what time all are through who are to come after ``ended_s``; 0 or less where nobody is."""
        now_s = self._clock()
        with self._lock:
            return max((_due_s(times_s, ended_s, now_s) for times_s in self._times_s.values()), default=0.0)


def _due_s(times_s: deque[float], ended_s: float, now_s: float) -> float:
    if len(times_s) < 2 or times_s[1] >= ended_s:
        return 0.0
    before_s, last_s = times_s
    expected_s = 2 * last_s - before_s - now_s
    return expected_s + _LATE_S if expected_s <= WAIT_LIMIT_S else 0.0
