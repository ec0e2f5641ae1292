"""What the evaluation of rules says about itself."""

from __future__ import annotations

import contextlib

from prometheus_client import CollectorRegistry, Counter, Gauge

_LABELS = ("rule_group",)


class RuleMetrics:
    """Counters and gauges of one process, by group: those of Prometheus, under tocsin's name."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"tocsin_rule_{name}", text, _LABELS, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"tocsin_rule_group_{name}", text, _LABELS, registry=registry)

        self._evaluations = counter("evaluations", "Evaluations of rules.")
        self._failures = counter("evaluation_failures", "Evaluations of rules that failed.")
        self._iterations = counter("group_iterations", "Evaluations of groups, those left out among them.")
        self._missed = counter("group_iterations_missed", "Evaluations left out, being late.")
        self._duration = gauge("last_duration_seconds", "How long the last evaluation of a group took.")
        self._evaluated = gauge("last_evaluation_timestamp_seconds", "When a group was last evaluated.")
        self._samples = gauge("last_evaluation_samples", "Samples that the last evaluation of a group wrote.")
        self._interval = gauge("interval_seconds", "How often a group is to be evaluated.")
        self._rules = gauge("rules", "Rules of a group.")

    def rules_evaluated(self, group: str, count: int, failed: int) -> None:
        """Count evaluations of rules; may be called from any thread."""
        self._evaluations.labels(group).inc(count)
        self._failures.labels(group).inc(failed)

    def group_evaluated(self, group: str, at_ms: int, duration_s: float, samples: int) -> None:
        """Note how the evaluation of a group went."""
        self._iterations.labels(group).inc()
        self._evaluated.labels(group).set(at_ms / 1000)
        self._duration.labels(group).set(duration_s)
        self._samples.labels(group).set(samples)

    def defined(self, group: str, interval_ms: int, rules: int) -> None:
        """Note what a group is."""
        self._interval.labels(group).set(interval_ms / 1000)
        self._rules.labels(group).set(rules)

    def missed(self, group: str, count: int) -> None:
        """Count times at which a group should have been evaluated and was not."""
        self._iterations.labels(group).inc(count)
        self._missed.labels(group).inc(count)

    def forget(self, group: str) -> None:
        """Let go of a group that is no more."""
        for metric in vars(self).values():
            if isinstance(metric, Counter | Gauge):
                with contextlib.suppress(KeyError):
                    metric.remove(group)
