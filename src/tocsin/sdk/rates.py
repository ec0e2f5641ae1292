"""What a user tells about the price and the size of a training."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from tocsin.sdk.guard import Guard


@dataclass(frozen=True, slots=True)
class Rates:
    """Floating-point operations and money; None is not known.

    >>> Rates.of(Guard("TrainingMonitor"), flops_per_step=2e12, peak_flops=None, price_per_hour="3.5")
    Rates(flops_per_step=2000000000000.0, peak_flops=None, price_per_hour=3.5)
    """

    flops_per_step: float | None = None
    """Of the model, forward and backward; about 6 times parameters times tokens for a transformer."""
    peak_flops: float | None = None
    """A second, of the accelerators that this process uses."""
    price_per_hour: float | None = None
    """Of what this process uses, in any currency."""

    @classmethod
    def of(cls, guard: Guard, **given: Any) -> Self:
        """Those given that are positive numbers; others are told once and left out."""
        rates: dict[str, float] = {}
        for name, value in given.items():
            if value is not None:
                with guard.around(name, f"{name} is left out"):
                    rates[name] = _positive(value)
        return cls(**rates)


def _positive(value: Any) -> float:
    number = float(value)
    if not (number > 0 and isfinite(number)):
        raise ValueError(f"{number:g} is no positive number")
    return number
