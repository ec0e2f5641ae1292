"""Steps that take longer than they used to."""

from __future__ import annotations

from math import isfinite
from typing import ClassVar, Final

from tocsin.sdk.health.detector import Detector, Finding
from tocsin.sdk.health.windows import SortedWindow

_NEWEST_STEPS: Final = 20
_USUAL_STEPS: Final = 200
_NEW_NORMAL_STEPS: Final = 2000
_STILL: Final = 0.8


class ThroughputDrop(Detector):
    """Finds steps that have become slow: the median of the newest 20 is above ``factor`` times the usual.

    The usual is the median of the 200 steps before those; it does not learn from steps that are found
    slow, until there were 2,000 of them: then they are the usual. Medians do not see validation,
    checkpoints or a garbage collection among the steps. Silent for the first 120. What fires it without
    anything being wrong: longer sequences or larger batches. About 2 µs a step; 220 floats.

    >>> drop = ThroughputDrop()
    >>> found = [drop.observe(step, 0.1 if step < 300 else 0.3) for step in range(320)]
    >>> next(step for step, finding in enumerate(found) if finding)
    310
    """

    check: ClassVar[str] = "throughput_drop"

    def __init__(self, *, factor: float = 2.0) -> None:
        self._factor = factor
        self._newest = SortedWindow(_NEWEST_STEPS)
        self._usual = SortedWindow(_USUAL_STEPS)
        self._slow_steps = 0

    def observe(self, step: int, value: float) -> Finding | None:
        """Take how long a step lasted, in seconds."""
        if not isfinite(value) or value < 0:
            return None
        finding = self._judged(value)
        self._slow_steps = self._slow_steps + 1 if finding else 0
        if len(self._newest) == _NEWEST_STEPS and not finding:
            self._usual.push(self._newest.oldest())
        elif self._slow_steps > _NEW_NORMAL_STEPS:
            self._usual.clear()
        self._newest.push(value)
        return finding

    def _judged(self, value: float) -> Finding | None:
        if len(self._usual) < _USUAL_STEPS // 2:
            return None
        usual_s, newest_s = self._usual.median(), self._newest.median()
        # Once slow, steps have to be clearly faster again, so that a pace at the limit is one event.
        limit_s = usual_s * (max(1.0, _STILL * self._factor) if self._slow_steps else self._factor)
        if newest_s <= limit_s:
            return None
        return Finding(newest_s, limit_s, f"take {newest_s:.3g} s each, where {usual_s:.3g} s was usual")
