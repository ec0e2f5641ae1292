"""Every detector of training health, as it is made by default."""

from __future__ import annotations

from tocsin.sdk.health import (
    Divergence,
    GradientExplosion,
    GradientVanishing,
    LearningRateFloor,
    NotFinite,
    Plateau,
    Spike,
    Stall,
    ThroughputDrop,
)

DETECTORS = (
    Divergence,
    GradientExplosion,
    GradientVanishing,
    LearningRateFloor,
    NotFinite,
    Plateau,
    Spike,
    Stall,
    ThroughputDrop,
)


def starts(findings):
    """Positions at which findings begin, counted from 1."""
    return [
        position
        for position, finding in enumerate(findings, 1)
        if finding is not None and (position == 1 or findings[position - 2] is None)
    ]
