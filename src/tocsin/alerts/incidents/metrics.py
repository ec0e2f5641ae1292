"""What incidents say about how well they are dealt with."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from tocsin.alerts.incidents.incident import Incident

_BUCKETS_S: Final = (60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400)


class IncidentMetrics:
    """Counters of one process. Drills count in none of them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._opened = Counter("tocsin_incidents_opened", "Incidents opened.", registry=registry)
        self._to_acknowledge = Histogram(
            "tocsin_incident_time_to_acknowledge_seconds",
            "How long it took until somebody acknowledged an incident.",
            ["severity"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._to_resolve = Histogram(
            "tocsin_incident_time_to_resolve_seconds",
            "How long it took until an incident was resolved.",
            ["severity"],
            buckets=_BUCKETS_S,
            registry=registry,
        )

    def opened(self) -> None:
        """Count an incident."""
        self._opened.inc()

    def acknowledged(self, incident: Incident, now_ms: int) -> None:
        """Note when somebody acknowledged it first."""
        if incident.is_drill:
            return
        self._to_acknowledge.labels(incident.severity).observe((now_ms - incident.opened_ms) / 1000)

    def resolved(self, incident: Incident, now_ms: int) -> None:
        """Note when it was over."""
        if incident.is_drill:
            return
        self._to_resolve.labels(incident.severity).observe((now_ms - incident.opened_ms) / 1000)
