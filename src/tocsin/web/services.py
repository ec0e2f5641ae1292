"""The parts that answers are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Counter

from tocsin.alerts.desk import AlertDesk
from tocsin.alerts.drills import DrillDesk
from tocsin.alerts.incidents import IncidentBook
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.config.settings import Settings
from tocsin.model import Clock
from tocsin.notify import AlertmanagerForwarder
from tocsin.promql.remote import QueryEngine
from tocsin.receive import PushedGroups
from tocsin.rules import RuleManager
from tocsin.scrape import ScrapeManager
from tocsin.storage import DuckDBStorage, Storage
from tocsin.web.query_pool import QueryPool


class Reloading(Protocol):
    """The configuration in force, and exchanging it."""

    @property
    def settings(self) -> Settings:
        """What is in force, or will be after a restart."""
        ...

    @property
    def has_succeeded(self) -> bool:
        """Whether the configuration was good when it was last read."""
        ...

    @property
    def succeeded_ms(self) -> int:
        """When a good configuration was last read."""
        ...

    async def reload(self) -> Sequence[str]:
        """Read it again; returns the keys whose change needs a restart.

        Raises a TocsinError when it is wrong; the old one then stays in force.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the HTTP layer needs of the rest of tocsin.

    ``metrics`` gives the text of ``/metrics``; ``dropped_samples`` counts, by reason, what arrived
    and could not be taken; ``settings`` are those that the process started with; ``embedded``
    is the store behind ``storage``, or None where samples are kept elsewhere; ``alertmanager`` gives the
    routes and receivers in force, and ``forwarder`` what sends to Alertmanagers elsewhere.
    """

    storage: Storage
    engine: QueryEngine
    queries: QueryPool
    clock: Clock
    settings: Settings
    started_ms: int
    rules: RuleManager
    desk: AlertDesk
    incidents: IncidentBook
    drills: DrillDesk
    alertmanager: Callable[[], AlertmanagerConfig]
    forwarder: Callable[[], AlertmanagerForwarder]
    scraping: ScrapeManager
    pushed: PushedGroups
    metrics: Callable[[], bytes]
    dropped_samples: Counter
    reloading: Reloading
    embedded: DuckDBStorage | None
