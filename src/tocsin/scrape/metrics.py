"""What scraping says about itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class ScrapeMetrics:
    """Counters of all scrapes, by job, in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.scrapes = Counter(
            "tocsin_scrapes_total", "Scrapes, by outcome.", ["job", "outcome"], registry=registry
        )
        self.samples = Counter(
            "tocsin_scrape_samples_total", "Samples taken from targets.", ["job"], registry=registry
        )
        self.duplicates = Counter(
            "tocsin_scrape_duplicate_samples_total",
            "Samples left out because the target gave the series twice in one scrape.",
            ["job"],
            registry=registry,
        )
        self.append_failures = Counter(
            "tocsin_scrape_append_failures_total",
            "Scrapes whose samples the store could not take.",
            ["job"],
            registry=registry,
        )
        self.targets = Gauge("tocsin_scrape_targets", "Targets being scraped.", ["job"], registry=registry)
