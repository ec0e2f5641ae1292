"""The way of an alert from the rules to those who should hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from tocsin.alerts import Alert, AlertStore, Dispatcher, NotificationLog, build_route
from tocsin.config.alerting import AlertmanagerConfig
from tocsin.config.settings import Settings
from tocsin.model import Clock
from tocsin.notify import AlertmanagerForwarder, NotifyMetrics, Receivers


class Alerting:
    """Hands alerts to tocsin's own receivers and to Alertmanagers elsewhere, whichever are configured."""

    def __init__(self, settings: Settings, clock: Clock, registry: CollectorRegistry, url: str) -> None:
        metrics = NotifyMetrics(registry)
        config = settings.alertmanager
        self._forwarder = AlertmanagerForwarder(settings.alerting.alertmanagers, metrics)
        self._receivers = Receivers(config.receivers if config else (), clock, metrics)
        self._dispatcher = _dispatcher(config, self._receivers, clock, url) if config else None

    def put(self, alerts: Sequence[Alert]) -> None:
        """Take alerts that somebody should hear of."""
        self._forwarder.put(alerts)
        if self._dispatcher is not None:
            self._dispatcher.put(alerts)

    async def run(self) -> None:
        """Tell until cancelled."""
        async with self._receivers, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forwarder.run())
            if self._dispatcher is not None:
                tasks.create_task(self._dispatcher.run())
            await asyncio.Event().wait()


def _dispatcher(config: AlertmanagerConfig, receivers: Receivers, clock: Clock, url: str) -> Dispatcher:
    store = AlertStore(config.global_.resolve_timeout)
    return Dispatcher(build_route(config.route), receivers.channels, clock, store, NotificationLog(), url)
