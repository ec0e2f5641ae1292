"""Divergence: a loss that has left its best level and does not come back."""

from __future__ import annotations

from math import inf, isfinite
from typing import ClassVar, Final

from tocsin.sdk.health.detector import Detector, Finding
from tocsin.sdk.health.windows import SortedWindow

_DEVIATIONS: Final = 6.0
_TINY: Final = 1e-9


class Divergence(Detector):
    """Finds ``patience_steps`` in a row that all lie far above the best level.

    Far is more than each of

    - ``least_rise`` of the level's absolute value (a ratio),
    - six robust standard deviations of the steps at which that level was reached.

    The best level is the lowest median of 100 steps in a row. Noise does not fire it, as each of the
    steps in a row would have to be six standard deviations high; spikes do not, as they are shorter. What
    does: a schedule that restarts with a high learning rate, or a task that changes. It ends with the
    first step below the limit. About 1 µs a step, 20 µs more where the level has become better; 100
    floats.

    >>> divergence = Divergence(patience_steps=3)
    >>> found = [divergence.observe(step, 1.0 if step < 120 else 2.0) for step in range(124)]
    >>> [step for step, finding in enumerate(found) if finding]
    [122, 123]
    """

    check: ClassVar[str] = "divergence"

    def __init__(
        self, *, least_rise: float = 0.25, patience_steps: int = 50, window_steps: int = 100
    ) -> None:
        self._least_rise = least_rise
        self._patience_steps = patience_steps
        self._window = SortedWindow(window_steps)
        self._best = inf
        self._limit = inf
        self._steps_above = 0

    def observe(self, step: int, value: float) -> Finding | None:
        """Take the loss of a step."""
        if not isfinite(value):
            return None
        self._steps_above = self._steps_above + 1 if value > self._limit else 0
        if self._steps_above == 0:
            self._learn(value)
        if self._steps_above < self._patience_steps:
            return None
        text = f"has been above {self._limit:.4g} for {self._steps_above} steps; its best is {self._best:.4g}"
        return Finding(value, self._limit, text)

    def _learn(self, value: float) -> None:
        self._window.push(value)
        if len(self._window) < self._window.size:
            return
        level = self._window.median()
        if level < self._best:
            self._best = level
            rise = max(self._least_rise * abs(level), _DEVIATIONS * self._window.spread(), _TINY)
            self._limit = level + rise
