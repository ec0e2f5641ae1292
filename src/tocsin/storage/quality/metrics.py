"""What the rules of quality say about themselves on ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.storage.quality.passage import Outcome
from tocsin.storage.quality.storage import QualityStorage

_HELP = {
    Outcome.DROPPED: "Samples that a rule left out, by reason.",
    Outcome.CHANGED: "Samples that a rule changed, by reason.",
    Outcome.FLAGGED: "Samples that a rule found wrong and kept, by reason.",
    Outcome.UNJUDGED: "Samples that a rule could not judge, by reason.",
}


class QualityMetrics:
    """A collector for a registry."""

    def __init__(self, storage: QualityStorage) -> None:
        self._storage = storage

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""
        for outcome, text in _HELP.items():
            family = CounterMetricFamily(f"tocsin_quality_{outcome}_samples", text, labels=["reason"])
            for (found, reason), count in self._storage.report.counts.items():
                if found is outcome:
                    family.add_metric([reason], count)
            yield family
        pipeline = self._storage.pipeline
        yield GaugeMetricFamily(
            "tocsin_quality_series", "Series that rules are kept for.", len(pipeline.series)
        )
        entries = GaugeMetricFamily(
            "tocsin_quality_lookup_entries", "Entries of a lookup file.", labels=["file"]
        )
        failures = CounterMetricFamily(
            "tocsin_quality_lookup_failures",
            "Times that a lookup file could not be read again.",
            labels=["file"],
        )
        for lookup in {lookup.file: lookup for lookup in pipeline.enrichment.lookups}.values():
            entries.add_metric([str(lookup.file)], len(lookup.entries))
            failures.add_metric([str(lookup.file)], lookup.failure_count)
        yield from (entries, failures)
