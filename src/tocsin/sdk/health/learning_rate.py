"""A learning rate that has fallen to next to nothing long before the end."""

from __future__ import annotations

from math import isfinite
from typing import ClassVar, Final

from tocsin.sdk.health.detector import Detector, Finding

_NEAR_END: Final = 0.95


class LearningRateFloor(Detector):
    """Finds ``patience_steps`` in a row with a learning rate below ``floor``, after it had been above.

    A warm-up that begins at nothing is therefore not found. Nor is the end of a schedule: the last 5 % of
    ``total_steps``, where that is known; where it is not, a schedule that ends at zero fires once, at its
    end. Some 100 ns a step; keeps a count.

    >>> floor = LearningRateFloor(patience_steps=2)
    >>> found = [floor.observe(step, lr) for step, lr in enumerate((0.0, 1e-3, 0.0, 0.0, 0.0))]
    >>> [step for step, finding in enumerate(found) if finding]
    [3, 4]
    """

    check: ClassVar[str] = "learning_rate_floor"

    def __init__(
        self, *, floor: float = 1e-7, patience_steps: int = 100, total_steps: float | None = None
    ) -> None:
        self._floor = floor
        self._patience_steps = patience_steps
        self._last_step = None if total_steps is None else _NEAR_END * total_steps
        self._was_above = False
        self._steps_below = 0

    def observe(self, step: int, value: float) -> Finding | None:
        """Take the learning rate of a step."""
        if not isfinite(value):
            return None
        is_near_end = self._last_step is not None and step >= self._last_step
        self._was_above = self._was_above or value >= self._floor
        is_low = self._was_above and value < self._floor and not is_near_end
        self._steps_below = self._steps_below + 1 if is_low else 0
        if self._steps_below < self._patience_steps:
            return None
        return Finding(value, self._floor, f"has been below {self._floor:.3g} for {self._steps_below} steps")
