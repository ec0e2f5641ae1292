"""Pull: targets, discovery, relabelling, text formats and the loops that scrape."""

from tocsin.scrape.exposition import Exposition, ExpositionParser
from tocsin.scrape.manager import LOCAL_JOB, ScrapeManager, local_job
from tocsin.scrape.openmetrics import OpenMetricsFormat
from tocsin.scrape.openmetrics_families import check_openmetrics
from tocsin.scrape.relabel import relabel
from tocsin.scrape.text import TextFormat

__all__ = [
    "LOCAL_JOB",
    "Exposition",
    "ExpositionParser",
    "OpenMetricsFormat",
    "ScrapeManager",
    "TextFormat",
    "check_openmetrics",
    "local_job",
    "relabel",
]
