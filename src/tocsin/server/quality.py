"""The rules of quality that a configuration asks for."""

from __future__ import annotations

import math

from tocsin.config.quality import (
    EnrichmentConfig,
    OutlierConfig,
    QualityConfig,
    SamplingConfig,
    ValidationConfig,
)
from tocsin.storage.quality import (
    EnrichmentRule,
    Lookup,
    NumberType,
    OutlierRule,
    QualityRules,
    SamplingRule,
    ValidationRule,
)


def make_rules(config: QualityConfig) -> QualityRules:
    """Compile the rules and read their lookup files; raises ConfigError when one cannot be used."""
    return QualityRules(
        enrichment=[
            _enrichment(f"quality.enrichment[{index}]", rule) for index, rule in enumerate(config.enrichment)
        ],
        validation=[
            _validation(f"quality.validation[{index}]", rule) for index, rule in enumerate(config.validation)
        ],
        outliers=[_outlier(f"quality.outliers[{index}]", rule) for index, rule in enumerate(config.outliers)],
        sampling=[
            _sampling(f"quality.sampling[{index}]", rule) for index, rule in enumerate(config.sampling)
        ],
    )


def _enrichment(place: str, config: EnrichmentConfig) -> EnrichmentRule:
    lookup = None
    if config.lookup is not None:
        lookup = Lookup(config.lookup.file, config.lookup.key, config.lookup.labels)
        lookup.load()
    return EnrichmentRule(place, config.matchers, config.labels, lookup, config.overwrite)


def _validation(place: str, config: ValidationConfig) -> ValidationRule:
    low, high = config.range or (None, None)
    return ValidationRule(
        place,
        config.matchers,
        low=-math.inf if low is None else low,
        high=math.inf if high is None else high,
        type=None if config.type is None else NumberType(config.type),
        monotonic=config.monotonic,
        reset_below=config.reset_below,
        drops=config.action == "drop",
    )


def _outlier(place: str, config: OutlierConfig) -> OutlierRule:
    return OutlierRule(
        place,
        config.matchers,
        threshold=config.threshold,
        window=config.window,
        min_samples=config.min_samples,
        min_deviation=config.min_deviation,
        drops=config.action == "drop",
        max_series=config.max_series,
    )


def _sampling(place: str, config: SamplingConfig) -> SamplingRule:
    return SamplingRule(place, config.matchers, config.keep_every, config.ratio)
