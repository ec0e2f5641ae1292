"""A training that takes no more steps."""

from __future__ import annotations

from math import isfinite
from typing import ClassVar, Final

from tocsin.sdk.health.detector import Detector, Finding
from tocsin.sdk.health.windows import SortedWindow

_WINDOW_STEPS: Final = 100
_LEAST_STEPS: Final = 3
_OVER_LONGEST: Final = 2.0


class Stall(Detector):
    """Finds that the next step is overdue: nothing for ``factor`` times the usual time of a step.

    Nor is it called a stall before ``least_s`` seconds, nor before twice the longest of the last 100
    steps, so that validation and checkpoints, which come again and again, fire it once at most. It is
    asked by a clock (:meth:`overdue`), as no step comes to ask it, and it ends with the next step. Silent
    until there were three steps. About 1 µs a step; 100 floats.

    >>> stall = Stall()
    >>> [stall.observe(step, 1.0) for step in range(5)]
    [None, None, None, None, None]
    >>> stall.overdue(29.0), stall.overdue(31.0).text
    (None, 'have not come for 31 s, where 1 s each is usual')
    """

    check: ClassVar[str] = "stall"

    def __init__(self, *, factor: float = 10.0, least_s: float = 30.0) -> None:
        self._factor = factor
        self._least_s = least_s
        self._window = SortedWindow(_WINDOW_STEPS)

    def observe(self, step: int, value: float) -> Finding | None:
        """Take how long a step lasted, in seconds."""
        if isfinite(value) and value >= 0:
            self._window.push(value)
        return None

    def overdue(self, waited_s: float) -> Finding | None:
        """Judge how long the next step has been waited for."""
        if len(self._window) < _LEAST_STEPS:
            return None
        usual_s = self._window.median()
        longest_s = self._window.quantile(1.0)
        limit_s = max(self._factor * usual_s, self._least_s, _OVER_LONGEST * longest_s)
        if waited_s <= limit_s:
            return None
        text = f"have not come for {waited_s:.0f} s, where {usual_s:.3g} s each is usual"
        return Finding(waited_s, limit_s, text)
