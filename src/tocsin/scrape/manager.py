"""Scraping as a whole: the jobs of the configuration, swapped while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry

from tocsin.config.scrape import ScrapeConfig, check_job_names
from tocsin.errors import ConfigError
from tocsin.model import Clock, format_duration_ms
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.scrape.discovery import Discovery, LocalDiscovery, discoveries
from tocsin.scrape.loop import History, ScrapeLoop, ScrapeParts
from tocsin.scrape.metrics import ScrapeMetrics
from tocsin.scrape.pool import Key, ScrapePool
from tocsin.storage.interface import Appendable

LOCAL_JOB: Final = "tocsin_sdk"
"""The job of processes on this machine that the SDK announces."""


def local_job(interval_ms: int, timeout_ms: int) -> ScrapeConfig:
    """A resolved job for the processes on this machine that the SDK announces."""
    return ScrapeConfig(job_name=LOCAL_JOB).resolved(interval_ms, timeout_ms)


class ScrapeManager:
    """Scrapes the targets of all jobs into a store.

    ``registry`` takes what scraping says about itself; ``local`` is the job of announced processes,
    or None to leave them alone. Use it from one event loop::

        manager = ScrapeManager(store, SystemClock())
        await manager.apply(configs)
        await manager.run()  # until cancelled
    """

    def __init__(
        self,
        appender: Appendable,
        clock: Clock,
        *,
        registry: CollectorRegistry | None = None,
        local: ScrapeConfig | None = None,
    ) -> None:
        metrics = ScrapeMetrics(registry if registry is not None else CollectorRegistry())
        self._parts = ScrapeParts(appender, clock, metrics)
        self._local = local
        self._pools: dict[str, ScrapePool] = {}

    async def apply(self, configs: Iterable[ScrapeConfig]) -> None:
        """Scrape these resolved jobs from now on and no others.

        A job that did not change goes on undisturbed; of one that did, targets that stay keep
        their series. Raises ConfigError when it cannot be; everything then goes on as before.
        """
        jobs = self._jobs(configs)
        kept = {name: pool for name, pool in self._pools.items() if jobs.get(name) == pool.config}
        started = {
            name: ScrapePool(config, self._discoveries(config), self._parts)
            for name, config in jobs.items()
            if name not in kept
        }
        replaced = [pool for name, pool in self._pools.items() if name not in kept]
        self._pools = {name: kept.get(name) or started[name] for name in jobs}
        handed_over = {pool.config.job_name: (pool, await pool.stop()) for pool in replaced}
        for name, pool in started.items():
            _, histories = handed_over.pop(name, (None, {}))
            await pool.start(histories)
        for pool, histories in handed_over.values():
            await pool.end_all(histories)

    async def run(self) -> None:
        """Wait until cancelled; then stop, and mark all series as ended."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop scraping and mark all series as ended."""
        pools, self._pools = self._pools, {}
        stopped: list[tuple[ScrapePool, dict[Key, History]]] = [
            (pool, await pool.stop()) for pool in pools.values()
        ]
        for pool, histories in stopped:
            await pool.end_all(histories)

    def targets(self) -> dict[str, Any]:
        """All targets in the form of ``/api/v1/targets``."""
        pools = self._pools.values()
        return {
            "activeTargets": [_describe(loop) for pool in pools for loop in pool.loops],
            "droppedTargets": [
                {"discoveredLabels": dict(labels), "scrapePool": pool.config.job_name}
                for pool in pools
                for labels in pool.targets.dropped[: pool.config.keep_dropped_targets or None]
            ],
            "droppedTargetCounts": {pool.config.job_name: len(pool.targets.dropped) for pool in pools},
        }

    def problems(self) -> list[str]:
        """What is wrong with discovery now, one sentence each."""
        return [problem for pool in self._pools.values() for problem in pool.problems]

    def _jobs(self, configs: Iterable[ScrapeConfig]) -> Mapping[str, ScrapeConfig]:
        jobs = [*configs, *([self._local] if self._local else [])]
        try:
            check_job_names(jobs)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return {config.job_name: config for config in jobs}

    def _discoveries(self, config: ScrapeConfig) -> list[Discovery]:
        return [LocalDiscovery()] if config is self._local else discoveries(config)


def _describe(loop: ScrapeLoop) -> dict[str, Any]:
    target, status = loop.target, loop.status
    return {
        "discoveredLabels": dict(target.discovered),
        "labels": dict(target.labels),
        "scrapePool": loop.config.job_name,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": status.error,
        "lastScrape": format_timestamp_ms(status.scraped_ms),
        "lastScrapeDuration": status.duration_s,
        "health": status.health.value,
        "scrapeInterval": format_duration_ms(target.interval_ms),
        "scrapeTimeout": format_duration_ms(target.timeout_ms),
    }
