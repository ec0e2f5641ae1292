"""The way of an alert from the rules to those who should hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prometheus_client import CollectorRegistry

from tocsin.alerts import Alert, AlertStore, Dispatcher, KnownAlert, NotificationLog, build_route
from tocsin.config.settings import Settings
from tocsin.model import Clock
from tocsin.notify import AlertmanagerForwarder, NotifyMetrics, Receivers

_RESOLVE_TIMEOUT_MS = 300_000


class Alerting:
    """Hands alerts to tocsin's own receivers and to Alertmanagers elsewhere, whichever are configured.

    Routes and receivers can be exchanged while it runs; what was told is remembered, so that nobody hears
    of an alert again because of it.
    """

    def __init__(self, settings: Settings, clock: Clock, registry: CollectorRegistry, url: str) -> None:
        self._clock = clock
        self._url = url
        self._metrics = NotifyMetrics(registry)
        self._log = NotificationLog()
        self._settings = settings
        self._way = self._make(settings, [])
        self._changed = asyncio.Event()

    def put(self, alerts: Sequence[Alert]) -> None:
        """Take alerts that somebody should hear of."""
        self._way.put(alerts)

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on; what is known of alerts is handed over."""
        old, self._settings = self._settings, settings
        if settings.alerting == old.alerting and settings.alertmanager == old.alertmanager:
            return
        self._way = self._make(settings, self._way.known())
        self._changed.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._changed.clear()
            way = self._way
            telling = asyncio.create_task(way.run(), name="alerting")
            changed = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait({telling, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
                if not telling.done():
                    telling.cancel()
                await asyncio.wait({telling})
            if not telling.cancelled():
                telling.result()  # Only an error of our own ends it; it must not pass unseen.

    def _make(self, settings: Settings, known: Sequence[Alert]) -> _Way:
        return _Way(settings, self._clock, self._metrics, self._log, self._url, known)


class _Way:
    """One configuration's routes, receivers and Alertmanagers; ``known`` are alerts of the one before.

    What is put before it runs waits until then.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        metrics: NotifyMetrics,
        log: NotificationLog,
        url: str,
        known: Sequence[Alert],
    ) -> None:
        config = settings.alertmanager
        self._store = AlertStore(config.global_.resolve_timeout if config else _RESOLVE_TIMEOUT_MS)
        self._forwarder = AlertmanagerForwarder(settings.alerting.alertmanagers, metrics)
        self._receivers = Receivers(config.receivers if config else (), clock, metrics)
        self._dispatcher = (
            Dispatcher(build_route(config.route), self._receivers.channels, clock, self._store, log, url)
            if config
            else None
        )
        self._waiting: list[Alert] | None = list(known)

    def put(self, alerts: Sequence[Alert]) -> None:
        self._forwarder.put(alerts)
        if self._waiting is not None:
            self._waiting += alerts
        elif self._dispatcher is not None:
            self._dispatcher.put(alerts)

    def known(self) -> list[Alert]:
        """What is known of alerts, and what waits, in the order in which it came."""
        return [*map(_as_known, self._store.all()), *(self._waiting or ())]

    async def run(self) -> None:
        async with self._receivers, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forwarder.run())
            if self._dispatcher is not None:
                tasks.create_task(self._dispatcher.run())
                self._dispatcher.put(self._waiting or ())
            self._waiting = None
            await asyncio.Event().wait()


def _as_known(known: KnownAlert) -> Alert:
    """An alert as a sender would report it who knows its times."""
    ends_at_ms = None if known.end_is_assumed else known.ends_at_ms
    return replace(known.alert, starts_at_ms=known.starts_at_ms, ends_at_ms=ends_at_ms)
