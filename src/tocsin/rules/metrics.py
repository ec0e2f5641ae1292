"""What the evaluation of rules says about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

_LABELS = ("rule_group",)


class RuleMetrics:
    """Counters and gauges of one process, by group."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, _LABELS, registry=registry)

        self._evaluations = counter("tocsin_rule_evaluations", "Evaluations of rules.")
        self._failures = counter("tocsin_rule_evaluation_failures", "Evaluations of rules that failed.")
        self._missed = counter("tocsin_rule_group_iterations_missed", "Evaluations left out, being late.")
        self._duration = Gauge(
            "tocsin_rule_group_last_duration_seconds",
            "How long the last evaluation of a group took.",
            _LABELS,
            registry=registry,
        )

    def rule_evaluated(self, group: str, *, has_failed: bool) -> None:
        """Count one evaluation of a rule; may be called from any thread."""
        self._evaluations.labels(group).inc()
        self._failures.labels(group).inc(int(has_failed))

    def group_evaluated(self, group: str, duration_s: float) -> None:
        """Note how long a group took."""
        self._duration.labels(group).set(duration_s)

    def missed(self, group: str, count: int) -> None:
        """Count times at which a group should have been evaluated and was not."""
        self._missed.labels(group).inc(count)
