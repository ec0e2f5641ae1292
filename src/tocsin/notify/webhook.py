"""Alertmanager's webhook: one JSON document, version 4, for each notification.

Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from __future__ import annotations

import re
from typing import Any, Final

import httpx
import orjson

from tocsin.alerts import Alert, Notification, common_pairs
from tocsin.config.alerting import WebhookConfig
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.notify.http import post_json, read_secret

_SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")


class WebhookChannel:
    """Posts notifications to a URL."""

    integration: Final = "webhook"

    def __init__(self, config: WebhookConfig, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client

    @property
    def send_resolved(self) -> bool:
        """Whether it is also told when alerts are over."""
        return self._config.send_resolved

    async def notify(self, notification: Notification) -> None:
        """Post once; raises DeliveryError when that does not succeed."""
        body = orjson.dumps(webhook_message(notification, self._config.max_alerts))
        url = read_secret(self._config.url, self._config.url_file)
        http = self._config.http_config
        await post_json(self._client, url, body, http.basic_auth, http.authorization)


def webhook_message(notification: Notification, max_alerts: int = 0) -> dict[str, Any]:
    """The document for a notification, with no more than ``max_alerts`` alerts unless that is 0."""
    kept = notification.alerts[: max_alerts or None]
    return {
        # Alertmanager quotes the name as a regular expression, and others' code relies on what it sends.
        "receiver": _SPECIAL.sub(r"\\\g<0>", notification.receiver),
        "status": notification.status,
        "alerts": [_alert(alert) for alert in kept],
        "groupLabels": dict(notification.group_labels),
        "commonLabels": common_pairs([alert.labels for alert in kept]),
        "commonAnnotations": common_pairs([alert.annotations for alert in kept]),
        "externalURL": notification.external_url,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(notification.alerts) - len(kept),
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "status": "firing" if alert.ends_at_ms is None else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(sorted(alert.annotations.items())),
        "startsAt": format_timestamp_ms(alert.starts_at_ms),
        "endsAt": format_timestamp_ms(alert.ends_at_ms),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }
