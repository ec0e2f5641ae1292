"""What waits for one Alertmanager."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin.alerts import Alert, DeliveryError
from tocsin.model import Clock, Labels
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.notify.errors import failure_reason
from tocsin.notify.http import HttpClient, Request, public_address
from tocsin.notify.metrics import NotifyMetrics

QUEUE_CAPACITY: Final = 10_000
"""Alerts that wait for one Alertmanager; beyond that those that have waited longest are dropped."""

INTEGRATION: Final = "alertmanager"

_MAX_BATCH: Final = 256
_FIRST_DELAY_S: Final = 1.0
_MAX_DELAY_S: Final = 30.0
_JITTER: Final = 0.2
_TOO_MANY_REQUESTS: Final = 429

_log = logging.getLogger(__name__)


class AlertmanagerQueue:
    """Sends alerts in their order, again and again while the Alertmanager cannot take them.

    Of an alert that waits only the newest report is kept: an Alertmanager that comes back hears how things
    are, not how they were. One that refuses a report for good does not get it again.
    """

    def __init__(self, url: str, client: HttpClient, clock: Clock, metrics: NotifyMetrics) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._metrics = metrics
        self._name = public_address(url)
        self._waiting: dict[Labels, Alert] = {}
        self._has_some = asyncio.Event()
        self._is_failing = False

    def put(self, alerts: Sequence[Alert]) -> None:
        """Queue alerts."""
        self._waiting |= {alert.labels: alert for alert in alerts}
        overflow = max(0, len(self._waiting) - QUEUE_CAPACITY)
        for labels in list(self._waiting)[:overflow]:
            del self._waiting[labels]
        self._metrics.dropped.labels(INTEGRATION).inc(overflow)
        self._note_length()
        if self._waiting:
            self._has_some.set()

    def forget(self) -> None:
        """Take its series out of the metrics."""
        self._metrics.queue_length.remove(self._name)

    async def run(self) -> None:
        """Send until cancelled."""
        delay_s = _FIRST_DELAY_S
        while True:
            await self._has_some.wait()
            failure = await self._send_some()
            if failure is None:
                delay_s = _FIRST_DELAY_S
                continue
            jittered_s = delay_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
            await self._clock.sleep(max(jittered_s, failure.retry_after_s or 0.0))
            delay_s = min(2 * delay_s, _MAX_DELAY_S)

    async def _send_some(self) -> DeliveryError | None:
        """Send those that have waited longest; returns why they have to wait on."""
        batch = dict(list(self._waiting.items())[:_MAX_BATCH])
        try:
            await self._post(batch)
        except DeliveryError as error:
            self._failed(error, len(batch))
            if error.is_retryable:
                return error
        else:
            self._is_failing = False
        self._metrics.notifications.labels(INTEGRATION).inc(len(batch))
        self._done(batch)
        return None

    async def _post(self, batch: Mapping[Labels, Alert]) -> None:
        body = orjson.dumps([alert_as_json(alert) for alert in batch.values()])
        answer = await self._client.send(Request(self._url, body))
        if not answer.is_success:
            raise self._client.refusal(
                answer,
                is_retryable=answer.status >= 500 or answer.status == _TOO_MANY_REQUESTS,
                retry_after_s=answer.retry_after_s(self._clock.now_ms()),
            )

    def _failed(self, error: DeliveryError, count: int) -> None:
        if error.is_retryable:
            self._metrics.requests_failed.labels(INTEGRATION).inc()
        else:
            self._metrics.failed.labels(INTEGRATION, failure_reason(error)).inc(count)
        if not self._is_failing:
            _log.warning("Alertmanager: %s%s", error, "; it is tried again" if error.is_retryable else "")
        self._is_failing = True

    def _done(self, batch: Mapping[Labels, Alert]) -> None:
        """Take out what was sent, but for alerts of which there is news meanwhile."""
        for labels, alert in batch.items():
            if self._waiting.get(labels) is alert:
                del self._waiting[labels]
        self._note_length()
        if not self._waiting:
            self._has_some.clear()

    def _note_length(self) -> None:
        self._metrics.queue_length.labels(self._name).set(len(self._waiting))


def alert_as_json(alert: Alert) -> dict[str, Any]:
    """An alert as Alertmanager's API takes it."""
    times = {"startsAt": alert.starts_at_ms, "endsAt": alert.ends_at_ms}
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        **{name: format_timestamp_ms(time_ms) for name, time_ms in times.items() if time_ms is not None},
        "generatorURL": alert.generator_url,
    }
