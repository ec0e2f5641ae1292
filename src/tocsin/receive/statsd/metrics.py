"""What the StatsD receiver says about itself."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge


class StatsdMetrics:
    """Counters of everything that came in, and of everything that did not become a sample."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tocsin_statsd_{name}", text, labels, registry=registry)

        self.packets = counter("packets_total", "Datagrams, or pieces of a TCP stream.", "transport")
        self.lost_packets = counter(
            "packets_lost_total", "Datagrams that the kernel dropped because they were not read in time."
        )
        self.connections = counter("tcp_connections_total", "TCP connections taken.")
        self.lines = counter("lines_total", "Lines that are not empty.")
        self.events = counter("events_total", "Events that became part of a series.", "type")
        self.unmapped = counter("events_unmapped_total", "Events that no mapping is for.")
        self.dropped = counter("events_dropped_total", "Events that are left out on purpose.", "by")
        self.errors = counter("errors_total", "Lines, samples, tags and events with a fault.", "reason")
        self.append_failures = counter("append_failures_total", "Flushes that the store could not take.")
        self.series = Gauge("tocsin_statsd_series", "Series that each flush stores.", registry=registry)
        self.receive_buffer = Gauge(
            "tocsin_statsd_receive_buffer_bytes",
            "What the kernel keeps of UDP datagrams that are not yet read.",
            registry=registry,
        )

    def count(self, tally: Tally[tuple[str, str]]) -> None:
        """Add counts gathered elsewhere, by name of a counter here and value of its label, if it has one."""
        for (name, label), count in tally.items():
            metric: Counter = getattr(self, name)
            (metric.labels(label) if label else metric).inc(count)
