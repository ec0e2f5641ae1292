"""Tries a notification again until it is taken, refused, or out of time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Final

from tocsin.alerts import Channel, DeliveryError, Notification
from tocsin.model import Clock
from tocsin.notify.metrics import NotifyMetrics

_FIRST_DELAY_S: Final = 0.5
_GROWTH: Final = 1.5
_MAX_DELAY_S: Final = 60.0
_JITTER: Final = 0.5

_MAX_AT_ONCE: Final = 32
"""Notifications that one channel has under way; further ones wait their turn."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryingChannel:
    """A channel that repeats attempts with growing delays (0.5 s, then half as much again, up to 60 s).

    Whoever calls ``notify`` says how long that may go on, by cancelling it.
    """

    channel: Channel
    clock: Clock
    metrics: NotifyMetrics
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_AT_ONCE))

    @property
    def integration(self) -> str:
        """The kind of channel."""
        return self.channel.integration

    @property
    def send_resolved(self) -> bool:
        """Whether it is also told when alerts are over."""
        return self.channel.send_resolved

    async def notify(self, notification: Notification) -> None:
        """Tell; raises DeliveryError when the channel refuses for good."""
        self.metrics.notifications.labels(self.integration).inc()
        started_s = time.perf_counter()
        try:
            await self._attempt(notification)
        except BaseException:
            self.metrics.failed.labels(self.integration).inc()
            raise
        finally:
            self.metrics.latency.labels(self.integration).observe(time.perf_counter() - started_s)

    async def _attempt(self, notification: Notification) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                async with self._turns:
                    await self.channel.notify(notification)
            except DeliveryError as error:
                self.metrics.requests_failed.labels(self.integration).inc()
                if not error.is_retryable:
                    raise
                _log.warning('receiver "%s", %s: %s', notification.receiver, self.integration, error)
            else:
                return
            await self.clock.sleep(delay_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret
            delay_s = min(delay_s * _GROWTH, _MAX_DELAY_S)
