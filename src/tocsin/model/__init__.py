"""Value types that every room shares: labels, matchers, samples, columns, durations, clocks. No I/O."""

from tocsin.model.clock import Clock, SystemClock
from tocsin.model.columns import Columns
from tocsin.model.durations import format_duration_ms, parse_duration_ms
from tocsin.model.labels import METRIC_NAME, Labels
from tocsin.model.matchers import Matcher, MatchType
from tocsin.model.metadata import MetricMetadata, MetricType
from tocsin.model.samples import STALE_NAN, SampleBatch, is_stale, stale_mask
from tocsin.model.summaries import SUMMARY_FIELDS, Summaries

__all__ = [
    "METRIC_NAME",
    "STALE_NAN",
    "SUMMARY_FIELDS",
    "Clock",
    "Columns",
    "Labels",
    "MatchType",
    "Matcher",
    "MetricMetadata",
    "MetricType",
    "SampleBatch",
    "Summaries",
    "SystemClock",
    "format_duration_ms",
    "is_stale",
    "parse_duration_ms",
    "stale_mask",
]
