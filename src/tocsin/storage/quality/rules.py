"""The rules of quality as the parts take them: selectors compiled, durations in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.model import Matcher
from tocsin.storage.quality.lookup import Lookup

UNTOUCHED: Final = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""Alerts must find their state again after a restart, so these metrics pass as they are."""


class NumberType(StrEnum):
    """What the values of a series must be."""

    FINITE = "finite"
    INTEGER = "integer"


@dataclass(frozen=True, slots=True)
class EnrichmentRule:
    """Labels that series get, the same for all or looked up; without matchers it is for every series."""

    place: str
    matchers: Sequence[Matcher] = ()
    labels: Mapping[str, str] | None = None
    lookup: Lookup | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """What values must be like; ``drops`` says whether others are dropped or only counted."""

    place: str
    matchers: Sequence[Matcher]
    low: float = -math.inf
    high: float = math.inf
    type: NumberType | None = None
    monotonic: bool = False
    reset_below: float = 0.1
    drops: bool = True

    @property
    def has_range(self) -> bool:
        """Whether a value can be out of range at all."""
        return self.low > -math.inf or self.high < math.inf


@dataclass(frozen=True, slots=True)
class OutlierRule:
    """How far from the median of the last ``window`` samples a value may be."""

    place: str
    matchers: Sequence[Matcher]
    threshold: float = 5.0
    window: int = 100
    min_samples: int = 20
    min_deviation: float = 0.0
    drops: bool = False
    max_series: int = 20_000


@dataclass(frozen=True, slots=True)
class SamplingRule:
    """How often a series is kept, and which share of the series."""

    place: str
    matchers: Sequence[Matcher]
    keep_every_ms: int | None = None
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class QualityRules:
    """All rules, in the order in which samples meet them."""

    enrichment: Sequence[EnrichmentRule] = ()
    validation: Sequence[ValidationRule] = ()
    outliers: Sequence[OutlierRule] = ()
    sampling: Sequence[SamplingRule] = ()
