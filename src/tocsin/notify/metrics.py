"""What the sending of notifications says about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_LABELS = ("integration",)


class NotifyMetrics:
    """Counters of one process, by kind of channel."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, _LABELS, registry=registry)

        self.notifications = counter("tocsin_notifications", "Notifications attempted.")
        self.failed = counter("tocsin_notifications_failed", "Notifications given up.")
        self.requests_failed = counter("tocsin_notification_requests_failed", "Single attempts that failed.")
        self.dropped = counter("tocsin_notifications_dropped", "Alerts dropped because a queue was full.")
        self.latency = Histogram(
            "tocsin_notification_latency_seconds",
            "How long a notification took, attempts together.",
            _LABELS,
            registry=registry,
        )
