"""Which detectors there are, and the values that each of them looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.sdk.health.detector import Detector
from tocsin.sdk.health.divergence import Divergence
from tocsin.sdk.health.gradient import GradientExplosion, GradientVanishing
from tocsin.sdk.health.learning_rate import LearningRateFloor
from tocsin.sdk.health.not_finite import NotFinite
from tocsin.sdk.health.plateau import Plateau
from tocsin.sdk.health.settings import HealthSettings
from tocsin.sdk.health.spike import Spike

LOSS: Final = ("loss", "train_loss")
GRADIENT: Final = ("gradient_norm", "grad_norm")
LEARNING_RATE: Final = ("learning_rate", "lr")

_MOST_PATIENCE_STEPS: Final = 1000
_LEAST_PATIENCE_STEPS: Final = 20


def detectors(
    settings: HealthSettings, total_steps: float | None
) -> Iterator[tuple[tuple[str, ...], Detector]]:
    """Each detector with the names of the value that it takes, of which the first that is there counts."""
    yield LOSS, NotFinite()
    yield GRADIENT, NotFinite()
    yield LOSS, Spike(deviations=settings.spike_deviations, least_rise=settings.spike_least_rise)
    yield (
        LOSS,
        Divergence(least_rise=settings.divergence_rise, patience_steps=settings.divergence_patience_steps),
    )
    yield (
        LOSS,
        Plateau(patience_steps=patience_steps(settings, total_steps), most_gain=settings.plateau_most_gain),
    )
    yield GRADIENT, GradientExplosion(factor=settings.gradient_factor)
    yield GRADIENT, GradientVanishing(ratio=settings.vanishing_ratio)
    yield (
        LEARNING_RATE,
        LearningRateFloor(floor=settings.learning_rate_floor, total_steps=total_steps),
    )


def patience_steps(settings: HealthSettings, total_steps: float | None) -> int:
    """How many steps without a gain are a plateau."""
    if settings.plateau_patience_steps is not None:
        return settings.plateau_patience_steps
    if total_steps is None or not total_steps > 0:
        return _MOST_PATIENCE_STEPS
    return int(min(_MOST_PATIENCE_STEPS, max(_LEAST_PATIENCE_STEPS, total_steps / 4)))
