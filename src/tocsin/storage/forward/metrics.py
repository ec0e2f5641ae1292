"""What remote write says about itself on ``/metrics``, by name of the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.storage.forward.forwarder import Forwarder


class ForwardMetrics:
    """A collector for a registry."""

    def __init__(self, forwarders: Sequence[Forwarder]) -> None:
        self._forwarders = forwarders

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""
        sent = CounterMetricFamily("tocsin_remote_write_samples", "Samples sent.", labels=["name"])
        dropped = CounterMetricFamily(
            "tocsin_remote_write_samples_dropped", "Samples given up, by reason.", labels=["name", "reason"]
        )
        retries = CounterMetricFamily("tocsin_remote_write_retries", "Repeated requests.", labels=["name"])
        waiting = GaugeMetricFamily(
            "tocsin_remote_write_samples_pending", "Samples that wait on disk.", labels=["name"]
        )
        size = GaugeMetricFamily("tocsin_remote_write_queue_bytes", "Size of the queue.", labels=["name"])
        for forwarder in self._forwarders:
            sent.add_metric([forwarder.name], forwarder.counts["sent"])
            retries.add_metric([forwarder.name], forwarder.counts["retries"])
            waiting.add_metric([forwarder.name], forwarder.waiting_samples)
            size.add_metric([forwarder.name], forwarder.size_bytes)
            for reason, count in forwarder.dropped().items():
                dropped.add_metric([forwarder.name, reason], count)
        return (sent, dropped, retries, waiting, size)
