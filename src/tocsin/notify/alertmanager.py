"""Forwards alerts to Alertmanagers that run elsewhere, as Prometheus does.

Every Alertmanager gets every alert and has a queue of its own, so that one which is slow or gone
delays no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from tocsin.alerts import Alert
from tocsin.config.alerting import AlertingConfig, AlertmanagersConfig
from tocsin.config.relabel import RelabelConfig
from tocsin.config.scrape import TargetGroup
from tocsin.errors import ConfigError
from tocsin.model import Clock, Labels
from tocsin.notify.alertmanager_queue import AlertmanagerQueue
from tocsin.notify.alertmanager_targets import alertmanager_urls
from tocsin.notify.http import HttpClient
from tocsin.notify.metrics import NotifyMetrics
from tocsin.notify.secrets import Secrets
from tocsin.scrape.discovery import discoveries
from tocsin.scrape.relabel import relabel

_MAX_EARLY: Final = 10_000
"""Alerts that are kept until Alertmanagers have been looked for the first time."""

_log = logging.getLogger(__name__)


class AlertmanagerForwarder:
    """Sends alerts to all Alertmanagers of an ``alerting`` section.

    Raises ConfigError when a file of a ``tls_config`` cannot be used.
    """

    def __init__(self, config: AlertingConfig, clock: Clock, metrics: NotifyMetrics) -> None:
        self._rules = config.alert_relabel_configs
        self._sets = [
            _AlertmanagerSet(number, each, clock, metrics) for number, each in enumerate(config.alertmanagers)
        ]

    @property
    def active(self) -> list[str]:
        """Where alerts are posted to."""
        return [url for each in self._sets for url in each.active]

    @property
    def dropped(self) -> list[str]:
        """Addresses that relabelling has dropped."""
        return [address for each in self._sets for address in each.dropped]

    def put(self, alerts: Sequence[Alert]) -> None:
        """Queue alerts for every Alertmanager."""
        if self._sets:
            changed = relabelled(alerts, self._rules)
            for each in self._sets:
                each.put(changed)

    async def run(self) -> None:
        """Look for Alertmanagers and send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._sets:
                tasks.create_task(each.run())


class _AlertmanagerSet:
    """The Alertmanagers of one configuration: those that it finds now, and a queue for each."""

    def __init__(
        self, number: int, config: AlertmanagersConfig, clock: Clock, metrics: NotifyMetrics
    ) -> None:
        self.dropped: list[str] = []
        self._name = f"alerting.alertmanagers[{number}]"
        self._config = config
        self._clock = clock
        self._metrics = metrics
        try:
            self._client = HttpClient(config, Secrets(config), config.timeout)
            self._discoveries = discoveries(config)
        except ConfigError as error:
            raise ConfigError(f"{self._name}: {error.message}", file=error.file) from error
        self._queues: dict[str, tuple[AlertmanagerQueue, asyncio.Task[None]]] = {}
        self._early: list[Alert] | None = []
        self._problems: frozenset[str] = frozenset()

    @property
    def active(self) -> list[str]:
        return list(self._queues)

    def put(self, alerts: Sequence[Alert]) -> None:
        changed = relabelled(alerts, self._config.alert_relabel_configs)
        if self._early is not None:
            self._early = [*self._early, *changed][-_MAX_EARLY:]
        for queue, _ in self._queues.values():
            queue.put(changed)

    async def run(self) -> None:
        try:
            # An error of our own in a queue ends the group; it must not pass unseen.
            async with asyncio.TaskGroup() as tasks:
                await self._refresh(tasks)
                early, self._early = self._early or [], None
                for queue, _ in self._queues.values():
                    queue.put(early)
                intervals_ms = [
                    each.check_interval_ms for each in self._discoveries if each.check_interval_ms
                ]
                while intervals_ms:
                    await self._clock.sleep(min(intervals_ms) / 1000)
                    await self._refresh(tasks)
        finally:
            self._drop(self._queues.keys())
            await self._client.close()

    async def _refresh(self, tasks: asyncio.TaskGroup) -> None:
        """Ask all sources, off the event loop since they may be slow, and act on it."""
        found = await asyncio.to_thread(lambda: [each.groups() for each in self._discoveries])
        groups: Iterable[TargetGroup] = (group for each in found for group in each)
        targets = alertmanager_urls(self._config, groups)
        for problem in targets.problems - self._problems:
            _log.warning("%s: %s", self._name, problem)
        self._problems, self.dropped = targets.problems, targets.dropped
        self._drop(self._queues.keys() - set(targets.urls))
        for url in targets.urls:
            if url not in self._queues:
                queue = AlertmanagerQueue(url, self._client, self._clock, self._metrics)
                self._queues[url] = queue, tasks.create_task(queue.run(), name=f"alertmanager:{url}")

    def _drop(self, urls: Iterable[str]) -> None:
        for url in list(urls):
            queue, task = self._queues.pop(url)
            task.cancel()
            queue.forget()


def relabelled(alerts: Sequence[Alert], rules: Sequence[RelabelConfig]) -> Sequence[Alert]:
    """Alerts with the labels that rules give them, without those that a rule drops."""
    if not rules:
        return alerts
    changed = ((alert, relabel(alert.labels, rules)) for alert in alerts)
    return [replace(alert, labels=Labels(labels)) for alert, labels in changed if labels]
