"""What the sending of notifications says about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LABELS = ("integration",)


class NotifyMetrics:
    """Counters of one process, by kind of channel."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def counter(name: str, text: str, *more_labels: str) -> Counter:
            return Counter(name, text, (*_LABELS, *more_labels), registry=registry)

        self.notifications = counter("tocsin_notifications", "Notifications attempted.")
        self.failed = counter(
            "tocsin_notifications_failed",
            "Notifications given up, by reason in Alertmanager's words.",
            "reason",
        )
        self.requests_failed = counter("tocsin_notification_requests_failed", "Single attempts that failed.")
        self.dropped = counter("tocsin_notifications_dropped", "Alerts dropped because a queue was full.")
        self.queue_length = Gauge(
            "tocsin_notifications_queue_length",
            "Alerts that wait for an Alertmanager elsewhere.",
            ("alertmanager",),
            registry=registry,
        )
        self.latency = Histogram(
            "tocsin_notification_latency_seconds",
            "How long a notification took, attempts together.",
            _LABELS,
            registry=registry,
        )
