"""The heartbeat: sent while alerting works, so that its silence is the alarm (a dead man's switch)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from tocsin.alerts.dispatcher import deliver
from tocsin.alerts.notification import Channel, Notification
from tocsin.model import Clock, Labels
from tocsin.model.alert import Alert

WATCHDOG: Final = "Watchdog"
"""The shipped alert that always fires; rules hand it on at least every 75 s."""

FRESH_MS: Final = 150_000
"""For so long after the rules handed on Watchdog alerting counts as alive: they may be late once."""

_log = logging.getLogger(__name__)


class HeartbeatMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.sent = Counter("tocsin_heartbeats", "Heartbeats that arrived.", registry=registry)
        self.failed = Counter(
            "tocsin_heartbeats_failed", "Heartbeats that did not arrive.", registry=registry
        )
        self.up = Gauge(
            "tocsin_heartbeat_up", "Whether the last heartbeat arrived.", ["receiver"], registry=registry
        )
        self.last = Gauge(
            "tocsin_heartbeat_last_success_timestamp_seconds",
            "When a heartbeat arrived last.",
            ["receiver"],
            registry=registry,
        )

    def arrived(self, receiver: str, now_ms: int) -> None:
        """Note a heartbeat that arrived."""
        self.sent.inc()
        self.up.labels(receiver).set(1)
        self.last.labels(receiver).set(now_ms / 1000)

    def missed(self, receiver: str) -> None:
        """Note one that did not."""
        self.failed.inc()
        self.up.labels(receiver).set(0)

    def forget(self) -> None:
        """Let go of what is no longer sent."""
        self.up.clear()
        self.last.clear()


class Pulse:
    """When the rules last handed on Watchdog; it outlives exchanges of the configuration."""

    def __init__(self) -> None:
        self.watchdog: Alert | None = None
        self._seen_ms: int | None = None

    def seen(self, alerts: Sequence[Alert], now_ms: int) -> None:
        """Look for Watchdog among alerts that the rules have handed on."""
        for alert in alerts:
            if alert.name == WATCHDOG and not alert.is_resolved(now_ms):
                self.watchdog, self._seen_ms = alert, now_ms

    def is_alive(self, now_ms: int) -> bool:
        """Whether the rules were heard of lately."""
        return self._seen_ms is not None and now_ms - self._seen_ms <= FRESH_MS


class Heartbeat:
    """Tells channels each interval, but only while there is a pulse.

    ``receiver`` names them in messages and metrics; it is empty for a URL.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        receiver: str,
        interval_ms: int,
        timeout_ms: int,
        pulse: Pulse,
        clock: Clock,
        metrics: HeartbeatMetrics,
        external_url: str = "",
    ) -> None:
        self._channels = channels
        self._receiver = receiver
        self._interval_ms = interval_ms
        self._timeout_s = timeout_ms / 1000
        self._pulse = pulse
        self._clock = clock
        self._metrics = metrics
        self._external_url = external_url
        self._was_alive = True

    async def run(self) -> None:
        """Beat until cancelled; the first time as soon as there is a pulse."""
        try:
            while not self._pulse.is_alive(self._clock.now_ms()):
                await self._clock.sleep(1)
            while True:
                await self.beat()
                await self._clock.sleep(self._interval_ms / 1000)
        finally:
            self._metrics.forget()

    async def beat(self) -> None:
        """Send one heartbeat, or none because the rules are not heard of."""
        now_ms = self._clock.now_ms()
        is_alive = self._pulse.is_alive(now_ms)
        if not is_alive and self._was_alive:
            _log.warning(
                "the heartbeat stops: the rules have not raised %s for %g s", WATCHDOG, FRESH_MS / 1000
            )
        self._was_alive = is_alive
        if is_alive and self._pulse.watchdog is not None:
            await self._send(self._pulse.watchdog)

    async def _send(self, watchdog: Alert) -> None:
        alert = replace(watchdog, ends_at_ms=None)
        notification = Notification(
            self._receiver or "heartbeat",
            f'{{alertname="{WATCHDOG}"}}/heartbeat',
            Labels({"alertname": WATCHDOG}),
            [alert],
            self._external_url,
        )
        failures = await asyncio.gather(
            *(deliver(channel, notification, self._timeout_s) for channel in self._channels)
        )
        if any(failures):
            self._metrics.missed(self._receiver)
        else:
            self._metrics.arrived(self._receiver, self._clock.now_ms())
