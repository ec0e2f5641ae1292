"""NaN and infinities."""

from __future__ import annotations

from math import isfinite, nan
from typing import ClassVar

from tocsin.sdk.health.detector import Detector, Finding


class NotFinite(Detector):
    """Finds every value that is NaN or infinite, at the step at which it comes.

    Exact: no false alarms and nothing missed. Costs some 50 ns a step and keeps nothing.

    >>> NotFinite().observe(3, float("nan")).text
    'is nan'
    """

    check: ClassVar[str] = "not_finite"

    def observe(self, step: int, value: float) -> Finding | None:
        """Take the value of a step."""
        return None if isfinite(value) else Finding(value, nan, f"is {value}")
