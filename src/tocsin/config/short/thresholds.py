"""What each threshold of ``monitoring`` stands for: a rule over series that collectors and the SDK write.

A validation loss comes once an evaluation, so it counts for an hour; a run that has ended is not judged.
Losses of an evaluation are counted over a day: the count when the best one came is recorded, and what has
been counted since then are the evaluations without an improvement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tocsin.config.short.alerts import Severity
from tocsin.config.short.monitoring import MonitoringConfig

LIMIT: Final = "<limit>"
"""Stands in texts for the value that the configuration gives."""

_LOSS: Final = "training_validation_loss"
_RUNS: Final = "unless on (job, instance, run) last_over_time(training_status[1h]) > 1"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A rule for one key of ``monitoring.thresholds``; a ``trend`` is looked at less often."""

    section: str
    key: str
    alert: str
    expr: str
    summary: str
    severity: Severity = "warning"
    hold: str = "0s"
    keep_firing: str = "1m"
    is_trend: bool = False

    def at(self, limit: float) -> Threshold:
        """The rule with the value of the configuration."""
        shown = repr(limit)
        return replace(
            self, expr=self.expr.replace(LIMIT, shown), summary=self.summary.replace(LIMIT, f"{limit:g}")
        )


MEMORY: Final = "MemoryAboveThreshold"
"""The alert that has two severities, of which the higher mutes the lower."""

PLATEAU_RECORDS: Final = (
    (
        f"{_LOSS}:evaluations_at_best",
        (
            f"(count_over_time({_LOSS}[1d]) unless min_over_time({_LOSS}[1d]) >= {_LOSS}:best)"
            f" or (count_over_time({_LOSS}[1d])"
            " and on (job, instance, run) changes(training_start_time_seconds[1m]) > 0)"
            f" or ({_LOSS}:evaluations_at_best and count_over_time({_LOSS}[1d]))"
            f" or count_over_time({_LOSS}[1d])"
        ),
    ),
    # Behind the one above, which compares with the best of the time before.
    (f"{_LOSS}:best", f"min_over_time({_LOSS}[1d])"),
)
"""Names and expressions that the rule for ``loss_plateau_patience`` needs, in this order."""

_DURATIONS: Final = "sum without (status) (rate(inference_request_duration_seconds_bucket[2m]))"

THRESHOLDS: Final = (
    Threshold(
        "memory",
        "warning",
        MEMORY,
        f"memory_usage > {LIMIT}",
        "{{ $value | humanizePercentage }} of the memory of {{ $labels.instance }} is in use",
    ),
    Threshold(
        "memory",
        "critical",
        MEMORY,
        f"memory_usage > {LIMIT}",
        "{{ $value | humanizePercentage }} of the memory of {{ $labels.instance }} is in use",
        severity="critical",
    ),
    Threshold(
        "gpu",
        "utilization_min",
        "GPUUtilizationBelowThreshold",
        f"avg_over_time(gpu_utilization[5m]) / 100 < {LIMIT} and gpu_memory_used_bytes > 104857600",
        "GPU {{ $labels.gpu }} of {{ $labels.instance }} is held and {{ $value | humanizePercentage }} busy",
        hold="5m",
    ),
    Threshold(
        "gpu",
        "memory_max",
        "GPUMemoryAboveThreshold",
        f"gpu_memory_used_percent / 100 > {LIMIT}",
        "{{ $value | humanizePercentage }} of the memory of GPU {{ $labels.gpu }} of {{ $labels.instance }}"
        " is in use",
    ),
    Threshold(
        "training",
        "loss_plateau_patience",
        "ValidationLossPlateau",
        f"count_over_time({_LOSS}[1d]) - {_LOSS}:evaluations_at_best >= {LIMIT} {_RUNS}",
        "The validation loss of {{ $labels.run }} has not improved for {{ $value }} evaluations",
        is_trend=True,
    ),
    Threshold(
        "training",
        "validation_loss_max",
        "ValidationLossAboveThreshold",
        f"last_over_time({_LOSS}[1h]) > {LIMIT} {_RUNS}",
        'The validation loss of {{ $labels.run }} is {{ printf "%.4g" $value }}',
    ),
    Threshold(
        "training",
        "learning_rate_min",
        "LearningRateBelowThreshold",
        f"training_learning_rate < {LIMIT} {_RUNS}",
        'The learning rate of {{ $labels.run }} is {{ printf "%.3g" $value }}',
        hold="1m",
    ),
    Threshold(
        "inference",
        "latency_max",
        "InferenceLatencyAboveThreshold",
        f"histogram_quantile(0.99, {_DURATIONS}) > {LIMIT}",
        "One request in a hundred to {{ $labels.instance }} takes {{ $value | humanizeDuration }} or longer",
        is_trend=True,
    ),
    # Half a request, because increases are extrapolated and one may come out as a little less.
    Threshold(
        "inference",
        "timeout",
        "InferenceTimeouts",
        f"(1 - histogram_fraction(-Inf, {LIMIT}, {_DURATIONS}))"
        " * sum without (status) (increase(inference_request_duration_seconds_count[2m])) > 0.5",
        'About {{ printf "%.0f" $value }} requests to {{ $labels.instance }} took longer than <limit> s'
        " within two minutes",
        is_trend=True,
    ),
    Threshold(
        "inference",
        "batch_queue_max",
        "InferenceQueueAboveThreshold",
        f"inference_queue_length > {LIMIT}",
        "{{ $value }} requests wait for {{ $labels.instance }}",
    ),
)


def thresholds_of(monitoring: MonitoringConfig) -> Iterator[Threshold]:
    """The rules of the thresholds that a configuration sets; none when they are switched off."""
    for threshold in THRESHOLDS if monitoring.enabled else ():
        section = getattr(monitoring.thresholds, threshold.section)
        limit: float | None = getattr(section, threshold.key)
        if limit is not None:
            yield threshold.at(limit)
