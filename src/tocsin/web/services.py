"""The parts that answers are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter

from tocsin.config.settings import Settings
from tocsin.model import Clock
from tocsin.promql import Engine
from tocsin.rules import RuleManager
from tocsin.scrape import ScrapeManager
from tocsin.storage import Storage
from tocsin.web.query_pool import QueryPool


@dataclass(frozen=True, slots=True)
class Services:
    """What the HTTP layer needs of the rest of tocsin.

    ``metrics`` gives the text of ``/metrics``; ``dropped_samples`` counts, by reason, what arrived
    and could not be taken.
    """

    storage: Storage
    engine: Engine
    queries: QueryPool
    clock: Clock
    settings: Settings
    started_ms: int
    rules: RuleManager
    scraping: ScrapeManager
    metrics: Callable[[], bytes]
    dropped_samples: Counter
