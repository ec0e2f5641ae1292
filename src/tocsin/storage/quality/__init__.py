"""Rules for what comes in: enrichment, validation, outliers, sampling."""

from tocsin.storage.quality.lookup import Lookup
from tocsin.storage.quality.metrics import QualityMetrics
from tocsin.storage.quality.rules import (
    EnrichmentRule,
    NumberType,
    OutlierRule,
    QualityRules,
    SamplingRule,
    ValidationRule,
)
from tocsin.storage.quality.storage import QualityStorage, behind_quality

__all__ = [
    "EnrichmentRule",
    "Lookup",
    "NumberType",
    "OutlierRule",
    "QualityMetrics",
    "QualityRules",
    "QualityStorage",
    "SamplingRule",
    "ValidationRule",
    "behind_quality",
]
