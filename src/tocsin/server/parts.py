"""The parts of a running tocsin, and how they hang together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import Metric

from tocsin.collect import (
    CollectLoop,
    Collector,
    ProcessCollector,
    default_collectors,
    family_name,
    load_custom_collector,
)
from tocsin.collect.own import OwnCollector
from tocsin.config.settings import CollectorsConfig, QueryConfig, Settings
from tocsin.model import Clock, Labels
from tocsin.promql import Engine, QueryLimits
from tocsin.promql.remote import QueryEngine, RemoteEngine
from tocsin.receive import PushedGroups
from tocsin.receive.statsd import StatsdReceiver
from tocsin.rules import (
    GroupDefinition,
    RuleManager,
    RuleMetrics,
    Surroundings,
    builtin_rules,
    query_by,
    read_groups,
)
from tocsin.scrape import ScrapeManager, local_job
from tocsin.server.alerting import Alerting
from tocsin.server.storage_metrics import StorageMetrics
from tocsin.storage import DuckDBStorage, Storage
from tocsin.storage.forward import ForwardingStorage, ForwardMetrics, inner_of
from tocsin.storage.quality import QualityMetrics, QualityStorage, behind_quality
from tocsin.storage.remote import RemoteStorage
from tocsin.web.query_pool import QueryPool
from tocsin.web.services import Reloading, Services


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything between the store and the web, built from the configuration."""

    settings: Settings
    storage: Storage
    clock: Clock
    registry: CollectorRegistry
    collectors: tuple[Collector, ...]
    collecting: CollectLoop
    scraping: ScrapeManager
    pushed: PushedGroups
    statsd: StatsdReceiver | None
    engine: QueryEngine
    rules: RuleManager
    alerting: Alerting
    queries: QueryPool

    @classmethod
    def build(
        cls, settings: Settings, storage: Storage, clock: Clock, url: str, folder: Path | None = None
    ) -> Self:
        """Put the parts together; nothing runs yet. Raises ConfigError when a part cannot be made.

        What must survive a restart beside the samples is kept in ``folder``.
        """
        registry = CollectorRegistry()
        stored = behind_quality(storage)
        kept = inner_of(stored)
        if isinstance(kept, DuckDBStorage):
            registry.register(StorageMetrics(kept))
        if isinstance(stored, ForwardingStorage):
            registry.register(ForwardMetrics(stored.forwarders))
        if isinstance(storage, QualityStorage):
            registry.register(QualityMetrics(storage))
        collectors = _collectors(settings.collectors, registry)
        engine = _engine(settings.query, kept)
        alerting = Alerting(settings, clock, registry, url, storage, folder)
        return cls(
            settings=settings,
            storage=storage,
            clock=clock,
            registry=registry,
            collectors=collectors,
            collecting=_collecting(settings, storage, clock, collectors),
            scraping=_scraping(settings, storage, clock, registry),
            pushed=PushedGroups(storage, settings.push, clock, folder),
            statsd=StatsdReceiver(settings.statsd, storage, clock, registry) if settings.statsd else None,
            engine=engine,
            rules=_rules(settings, engine, storage, clock, alerting, RuleMetrics(registry), url),
            alerting=alerting,
            queries=QueryPool(settings.query.max_concurrency, settings.query.timeout / 1000),
        )

    async def start(self) -> None:
        """Do what must be done before anything runs."""
        await self.scraping.apply(self.settings.scrape_configs)
        await self.pushed.load()
        if self.statsd is not None:
            await self.statsd.start()

    async def apply(self, settings: Settings) -> None:
        """Go by other settings from now on, as far as that is possible while everything runs.

        Raises ConfigError when a rule file or a job is wrong; everything then stays as it was.
        """
        telling = self.alerting.prepare(settings)
        definitions = await asyncio.to_thread(_rule_groups, settings)
        await self.scraping.apply(settings.scrape_configs)
        surroundings = replace(
            self.rules.surroundings,
            external_labels=Labels(settings.global_.external_labels),
            interval_ms=settings.global_.evaluation_interval,
            query_offset_ms=settings.global_.rule_query_offset,
        )
        self.rules.exchange(definitions, surroundings)
        self.alerting.apply(settings, telling)

    def work(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What runs until it is cancelled."""
        stored = behind_quality(self.storage)
        forwarding = (stored.forward(),) if isinstance(stored, ForwardingStorage) else ()
        watching = (self.storage.watch(),) if isinstance(self.storage, QualityStorage) else ()
        receiving = (_stop_at_the_end(self.statsd),) if self.statsd is not None else ()
        return (
            self.collecting.run(),
            self.scraping.run(),
            self.pushed.run(),
            self.rules.run(),
            self.alerting.run(),
            self.alerting.drills.run(),
            *forwarding,
            *watching,
            *receiving,
        )

    def services(self, reloading: Reloading) -> Services:
        """What the HTTP layer needs."""
        kept = inner_of(behind_quality(self.storage))
        return Services(
            storage=self.storage,
            engine=self.engine,
            queries=self.queries,
            clock=self.clock,
            settings=self.settings,
            started_ms=self.clock.now_ms(),
            rules=self.rules,
            desk=self.alerting.desk,
            incidents=self.alerting.incidents,
            drills=self.alerting.drills,
            alertmanager=lambda: self.alerting.config,
            forwarder=lambda: self.alerting.forwarder,
            scraping=self.scraping,
            pushed=self.pushed,
            metrics=lambda: generate_latest(_LastRound(self.collecting)),
            dropped_samples=Counter(
                "tocsin_samples_dropped_total",
                "Samples that arrived and could not be taken, by reason.",
                ["reason"],
                registry=self.registry,
            ),
            reloading=reloading,
            embedded=kept if isinstance(kept, DuckDBStorage) else None,
        )

    def close(self) -> None:
        """Let go of threads and files."""
        self.queries.close()
        self.alerting.close()


async def _stop_at_the_end(receiver: StatsdReceiver) -> None:
    """Wait until cancelled; then store what has arrived and end all series."""
    try:
        await asyncio.Event().wait()
    finally:
        await receiver.stop()


class _LastRound:
    """What was collected last, as something that prometheus_client writes out."""

    def __init__(self, collecting: CollectLoop) -> None:
        self._collecting = collecting

    def collect(self) -> Iterable[Metric]:
        return map(writable, self._collecting.families())


def writable(family: Metric) -> Metric:
    """A family that prometheus_client writes as it is.

    It takes for granted that counters end in ``_total``; DCGM's do not, so they go without a type.
    """
    if family.type != "counter" or family_name(family) != family.name:
        return family
    untyped = Metric(family.name, family.documentation, "unknown")
    untyped.samples = family.samples
    return untyped


def _collectors(config: CollectorsConfig, registry: CollectorRegistry) -> tuple[Collector, ...]:
    """The collectors to run; tocsin watches itself in any case."""
    own = OwnCollector(registry)
    if not config.enabled:
        return (ProcessCollector(), own)
    custom = (load_custom_collector(spec, Path.cwd()) for spec in config.custom)
    return (*default_collectors(), own, *custom)


def _engine(config: QueryConfig, storage: Storage) -> QueryEngine:
    """An engine elsewhere that holds the samples also answers the queries."""
    limits = QueryLimits(config.max_samples, config.max_series, config.timeout / 1000)
    if isinstance(storage, RemoteStorage):
        return RemoteEngine(storage.client, lookback_ms=config.lookback_delta, limits=limits)
    return Engine(
        storage,
        lookback_ms=config.lookback_delta,
        limits=limits,
        enable_delayed_name_removal=config.delayed_name_removal,
        enable_experimental=config.experimental_functions,
        summaries=storage.summaries if isinstance(storage, DuckDBStorage) else None,
    )


def _collecting(
    settings: Settings, storage: Storage, clock: Clock, collectors: Iterable[Collector]
) -> CollectLoop:
    interval_s = settings.collectors.interval / 1000
    return CollectLoop(storage, collectors, interval_s=interval_s, instance=socket.gethostname(), clock=clock)


def _scraping(
    settings: Settings, storage: Storage, clock: Clock, registry: CollectorRegistry
) -> ScrapeManager:
    # Processes on this machine are looked at as often as the machine itself.
    interval_ms = settings.collectors.interval
    return ScrapeManager(storage, clock, registry=registry, local=local_job(interval_ms, interval_ms))


def _rules(
    settings: Settings,
    engine: QueryEngine,
    storage: Storage,
    clock: Clock,
    alerting: Alerting,
    metrics: RuleMetrics,
    url: str,
) -> RuleManager:
    surroundings = Surroundings(
        query=query_by(engine),
        storage=storage,
        clock=clock,
        notify=alerting.put,
        metrics=metrics,
        external_labels=Labels(settings.global_.external_labels),
        external_url=url,
        interval_ms=settings.global_.evaluation_interval,
        query_offset_ms=settings.global_.rule_query_offset,
    )
    manager = RuleManager(surroundings)
    manager.load(_paths(settings.rule_files), builtin_rules(settings))
    return manager


def _rule_groups(settings: Settings) -> list[GroupDefinition]:
    return read_groups(_paths(settings.rule_files), builtin_rules(settings))


def _paths(files: Iterable[str]) -> list[Path]:
    return [Path(file) for file in files]
