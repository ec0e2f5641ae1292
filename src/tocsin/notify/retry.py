"""Tries a notification again until it is taken, refused, or out of time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Final

from tocsin.alerts import DeliveryError, Notification
from tocsin.alerts.notification import Teller
from tocsin.model import Clock
from tocsin.notify.errors import failure_reason
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

    A channel that says how long it wants to be left alone is left alone so long. Attempts of one channel
    take turns, and the time for a notification begins with its first: a burst of them loses none.
    """

    channel: Teller
    clock: Clock
    metrics: NotifyMetrics
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_AT_ONCE), repr=False)

    @property
    def integration(self) -> str:
        """The kind of channel."""
        return self.channel.integration

    @property
    def send_resolved(self) -> bool:
        """Whether it is also told when alerts are over."""
        return self.channel.send_resolved

    async def notify(self, notification: Notification, timeout_s: float | None = None) -> None:
        """Tell; raises DeliveryError when the channel refuses for good, and TimeoutError."""
        self.metrics.notifications.labels(self.integration).inc()
        started_s = time.perf_counter()
        attempts = _Attempts(self, notification)
        try:
            await attempts.run(timeout_s)
        except (asyncio.CancelledError, TimeoutError):
            # Out of time: what went wrong the last time is the reason, as in Alertmanager.
            self._failed(failure_reason(attempts.last_error))
            raise
        except BaseException as error:
            self._failed(failure_reason(error))
            raise
        finally:
            self.metrics.latency.labels(self.integration).observe(time.perf_counter() - started_s)

    def _failed(self, reason: str) -> None:
        self.metrics.failed.labels(self.integration, reason).inc()


class _Attempts:
    """The attempts to tell one notification."""

    def __init__(self, retrying: RetryingChannel, notification: Notification) -> None:
        self._retrying = retrying
        self._notification = notification
        self.last_error: DeliveryError | None = None
        self._asked_s = 0.0

    async def run(self, timeout_s: float | None) -> None:
        async with asyncio.timeout(None) as limit:
            delay_s = _FIRST_DELAY_S
            while not await self._is_told(limit, timeout_s):
                jittered_s = delay_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
                await self._retrying.clock.sleep(max(jittered_s, self._asked_s))
                delay_s = min(delay_s * _GROWTH, _MAX_DELAY_S)

    async def _is_told(self, limit: asyncio.Timeout, timeout_s: float | None) -> bool:
        """Try once, in turn; raises DeliveryError when trying again makes no sense."""
        async with self._retrying.turns:
            if timeout_s is not None and limit.when() is None:
                limit.reschedule(asyncio.get_running_loop().time() + timeout_s)
            try:
                await self._retrying.channel.notify(self._notification)
            except DeliveryError as error:
                self._note(error)
                if not error.is_retryable:
                    raise
                self._asked_s = error.retry_after_s or 0.0
                return False
        return True

    def _note(self, error: DeliveryError) -> None:
        self.last_error = error
        self._retrying.metrics.requests_failed.labels(self._retrying.integration).inc()
        if error.is_retryable:
            _log.warning(
                'receiver "%s", %s: %s', self._notification.receiver, self._retrying.integration, error
            )
