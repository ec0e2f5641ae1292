"""Training health, judged in the process that trains: one detector per file, all of bounded memory.

Each detector takes one value of one step at a time and says whether something is wrong at that step. A
:class:`~tocsin.sdk.health.watcher.Watcher` feeds them, and turns what they say into events and series.
"""

from __future__ import annotations

from tocsin.sdk.health.detector import Detector, Finding
from tocsin.sdk.health.divergence import Divergence
from tocsin.sdk.health.gradient import GradientExplosion, GradientVanishing
from tocsin.sdk.health.learning_rate import LearningRateFloor
from tocsin.sdk.health.not_finite import NotFinite
from tocsin.sdk.health.plateau import Plateau
from tocsin.sdk.health.spike import Spike
from tocsin.sdk.health.stall import Stall
from tocsin.sdk.health.throughput import ThroughputDrop

__all__ = [
    "Detector",
    "Divergence",
    "Finding",
    "GradientExplosion",
    "GradientVanishing",
    "LearningRateFloor",
    "NotFinite",
    "Plateau",
    "Spike",
    "Stall",
    "ThroughputDrop",
]
