"""The way of an alert from the rules to those who should hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from tocsin.alerts import Alert, AlertingState, Dispatcher, Inhibitor, Muting, build_route
from tocsin.alerts.desk import AlertDesk
from tocsin.alerts.drills import (
    DeliveryPath,
    DrillDesk,
    DrillMetrics,
    DrillRoute,
    DrillSchedule,
    Heartbeat,
    HeartbeatMetrics,
    Pulse,
)
from tocsin.alerts.drills.failing import check_failed_to, failed_to
from tocsin.alerts.drills.heartbeat import WATCHDOG
from tocsin.alerts.incidents import Acknowledger, Escalator, IncidentBook, IncidentMetrics, Links
from tocsin.alerts.marks import DRILL_ALERT
from tocsin.config.alertmanager import AlertmanagerConfig, ReceiverConfig, RouteConfig
from tocsin.config.settings import Settings
from tocsin.model import Clock
from tocsin.notify import AlertmanagerForwarder, NotifyMetrics, Receivers
from tocsin.storage.interface import Appendable

NOBODY: Final = AlertmanagerConfig(
    receivers=(ReceiverConfig(name="nobody"),), route=RouteConfig(receiver="nobody")
)
"""What is in force where nothing is configured: alerts are kept and shown, and nobody is told."""


_KEYS: Final = (
    "alerting",
    "alertmanager",
    "drills",
    "escalations",
    "heartbeat",
    "incidents",
    "maintenance",
    "on_call",
)


@dataclass(frozen=True, slots=True)
class Telling:
    """Receivers of our own, and Alertmanagers elsewhere, of one configuration."""

    receivers: Receivers
    forwarder: AlertmanagerForwarder


class Alerting:
    """Hands alerts to tocsin's own receivers and to Alertmanagers elsewhere, whichever are configured.

    Routes and receivers can be exchanged while it runs; what was told is remembered, so that nobody hears
    of an alert again because of it, or because of a restart. Drills write into ``storage``. Raises
    StorageError when ``folder`` holds something that cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        registry: CollectorRegistry,
        url: str,
        storage: Appendable,
        folder: Path | None = None,
    ) -> None:
        self._clock = clock
        self._url = url
        self._metrics = NotifyMetrics(registry)
        self._settings = settings
        self._state = AlertingState.open(folder)
        self._state.resume(clock.now_ms())
        self.desk = AlertDesk(self._state, clock)
        database = self._state.database
        self.incidents = IncidentBook(
            database,
            settings.incidents,
            settings.escalations,
            links=Links(database, url),
            metrics=IncidentMetrics(registry),
        )
        self.drills = DrillDesk(storage, clock, self.incidents, database, DrillMetrics(registry))
        self._pulse = Pulse()
        self._heartbeat_metrics = HeartbeatMetrics(registry)
        self._telling = self.prepare(settings)
        self._changed = asyncio.Event()

    def prepare(self, settings: Settings) -> Telling:
        """What other settings tell by; raises ConfigError when something of it cannot be made."""
        check_failed_to(settings)
        config = settings.alertmanager or NOBODY
        receivers = Receivers(
            config.receivers, self._clock, self._metrics, config.templates, self.drills, settings.heartbeat
        )
        return Telling(receivers, AlertmanagerForwarder(settings.alerting, self._clock, self._metrics))

    @property
    def forwarder(self) -> AlertmanagerForwarder:
        """What sends to Alertmanagers elsewhere now."""
        return self._telling.forwarder

    @property
    def config(self) -> AlertmanagerConfig:
        """The routes and receivers in force."""
        return self._settings.alertmanager or NOBODY

    def put(self, alerts: Sequence[Alert]) -> None:
        """Take alerts of our own rules that somebody should hear of."""
        names = {alert.name for alert in alerts}
        if WATCHDOG in names:
            self._pulse.seen(alerts, self._clock.now_ms())
        real = alerts
        if DRILL_ALERT in names:
            alerts = self.drills.ours(alerts)
            self.drills.fired(alerts)
            # An Alertmanager elsewhere would tell people whom the drill is not meant for.
            real = [alert for alert in alerts if alert.name != DRILL_ALERT]
        self.forwarder.put(real)
        self.desk.put([alert for alert in alerts if not _is_watchdog(alert) or self.desk.is_routed(alert)])

    def apply(self, settings: Settings, telling: Telling) -> None:
        """Go by other settings, and what was prepared for them, from now on."""
        old, self._settings = self._settings, settings
        if all(getattr(settings, key) == getattr(old, key) for key in _KEYS):
            return
        self._telling = telling
        self.incidents.apply(settings.incidents, settings.escalations)
        self._shut()
        self._changed.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._changed.clear()
            telling = asyncio.create_task(self._tell(), name="alerting")
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

    async def _tell(self) -> None:
        """Tell by the configuration that is in force now."""
        config, state = self.config, self._state
        state.alerts.resolve_timeout_ms = config.global_.resolve_timeout
        intervals = config.intervals
        maintenance = self._settings.maintenance
        muting = Muting(Inhibitor(config.inhibit_rules), state.silences, intervals, maintenance)
        receivers, forwarder = self._telling.receivers, self._telling.forwarder
        root = DrillRoute.over(build_route(config.route), receivers.channels, failed_to(self._settings))
        dispatcher = Dispatcher(
            root,
            receivers.channels,
            self._clock,
            state,
            muting,
            self._url,
            self.incidents,
        )
        escalator = Escalator(
            self.incidents, receivers.channels, self._settings.on_call, muting, self._clock, self._url
        )
        try:
            async with receivers, asyncio.TaskGroup() as tasks:
                tasks.create_task(forwarder.run())
                tasks.create_task(dispatcher.run())
                tasks.create_task(escalator.run())
                tasks.create_task(Acknowledger(self.incidents, receivers.acknowledging, self._clock).run())
                self.drills.open(DeliveryPath(root, receivers.channels, muting, state.silences))
                self.desk.open(dispatcher)
                tasks.create_task(DrillSchedule(self._settings.drills, self.drills, self._clock).run())
                if (heartbeat := self._heartbeat(receivers)) is not None:
                    tasks.create_task(heartbeat.run())
                await asyncio.Event().wait()
        finally:
            self._shut()

    def _shut(self) -> None:
        self.desk.shut()
        self.drills.shut()

    def _heartbeat(self, receivers: Receivers) -> Heartbeat | None:
        config = self._settings.heartbeat
        if config is None:
            return None
        return Heartbeat(
            [receivers.ping] if receivers.ping else receivers.channels[config.receiver or ""],
            config.receiver or "",
            config.interval,
            config.timeout,
            self._pulse,
            self._clock,
            self._heartbeat_metrics,
            self._url,
        )

    def close(self) -> None:
        """Let go of what is remembered."""
        self._state.close()


def _is_watchdog(alert: Alert) -> bool:
    """The alert that always fires; only a receiver that has a route for it wants to hear of that."""
    return alert.name == WATCHDOG and alert.labels.get("severity") == "none"
