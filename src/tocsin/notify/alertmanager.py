"""Forwards alerts to Alertmanagers that run elsewhere, as Prometheus does.

Every Alertmanager gets every alert and has a queue of its own, so that one which is slow or gone
delays no other. Nothing is repeated here: rules send what fires again every minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import httpx
import orjson

from tocsin.alerts import Alert, DeliveryError
from tocsin.config.alerting import AlertmanagersConfig
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.notify.http import make_client, post_json
from tocsin.notify.metrics import NotifyMetrics

QUEUE_CAPACITY: Final = 10_000
"""Alerts that wait for one Alertmanager; beyond that the oldest are dropped."""

_MAX_BATCH: Final = 256
_INTEGRATION: Final = "alertmanager"

_log = logging.getLogger(__name__)


class AlertmanagerForwarder:
    """Sends alerts to all Alertmanagers of an ``alerting`` section."""

    def __init__(self, configs: Sequence[AlertmanagersConfig], metrics: NotifyMetrics) -> None:
        self._metrics = metrics
        self._queues = [
            _Queue(url, config, metrics) for config in configs for url in alertmanager_urls(config)
        ]

    def put(self, alerts: Sequence[Alert]) -> None:
        """Queue alerts for every Alertmanager."""
        for queue in self._queues:
            queue.put(alerts)

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for queue in self._queues:
                tasks.create_task(queue.run())


def alertmanager_urls(config: AlertmanagersConfig) -> list[str]:
    """The addresses that alerts are posted to.

    >>> alertmanager_urls(AlertmanagersConfig(static_configs=[{"targets": ["am:9093"]}], path_prefix="/x"))
    ['http://am:9093/x/api/v2/alerts']
    """
    prefix = config.path_prefix.strip("/")
    path = f"/{prefix}/api/v2/alerts" if prefix else "/api/v2/alerts"
    return [
        f"{config.scheme}://{target}{path}" for group in config.static_configs for target in group.targets
    ]


class _Queue:
    """What waits for one Alertmanager."""

    def __init__(self, url: str, config: AlertmanagersConfig, metrics: NotifyMetrics) -> None:
        self._url = url
        self._config = config
        self._metrics = metrics
        self._alerts: deque[Alert] = deque(maxlen=QUEUE_CAPACITY)
        self._has_some = asyncio.Event()
        self._is_failing = False

    def put(self, alerts: Sequence[Alert]) -> None:
        overflow = max(0, len(self._alerts) + len(alerts) - QUEUE_CAPACITY)
        self._metrics.dropped.labels(_INTEGRATION).inc(overflow)
        self._alerts.extend(alerts)
        self._has_some.set()

    async def run(self) -> None:
        async with make_client(timeout_ms=self._config.timeout) as client:
            while True:
                await self._has_some.wait()
                batch = [self._alerts.popleft() for _ in range(min(_MAX_BATCH, len(self._alerts)))]
                if not self._alerts:
                    self._has_some.clear()
                await self._send(client, batch)

    async def _send(self, client: httpx.AsyncClient, alerts: Sequence[Alert]) -> None:
        self._metrics.notifications.labels(_INTEGRATION).inc(len(alerts))
        body = orjson.dumps([_alert(alert) for alert in alerts])
        try:
            await post_json(client, self._url, body, self._config.basic_auth, self._config.authorization)
        except DeliveryError as error:
            self._metrics.failed.labels(_INTEGRATION).inc(len(alerts))
            if not self._is_failing:
                _log.warning("Alertmanager: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False


def _alert(alert: Alert) -> dict[str, Any]:
    times = {"startsAt": alert.starts_at_ms, "endsAt": alert.ends_at_ms}
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        **{name: format_timestamp_ms(time_ms) for name, time_ms in times.items() if time_ms is not None},
        "generatorURL": alert.generator_url,
    }
