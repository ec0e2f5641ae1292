"""Alertmanager's webhook: one JSON document, version 4, for each notification, or one of one's own.

Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from tocsin.alerts import Alert, Notification, common_pairs
from tocsin.config.alertmanager import WebhookConfig
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.notify.channel import HttpChannel
from tocsin.notify.http import Request
from tocsin.notify.rendering import rendered
from tocsin.notify.template import Expander
from tocsin.notify.template_data import quoted_receiver


class WebhookChannel(HttpChannel[WebhookConfig]):
    """Posts notifications to a URL."""

    integration: ClassVar[str] = "webhook"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        url = expander.text("url", self.secrets.read(self.config.url, self.config.url_file))
        self.secrets.add(url)
        if self.config.payload is None:
            document = webhook_message(notification, self.config.max_alerts)
        else:
            document = rendered("payload", self.config.payload, expander, is_inlined=True)
        return [Request(url, orjson.dumps(document))]


def webhook_message(notification: Notification, max_alerts: int = 0) -> dict[str, Any]:
    """The document for a notification, with no more than ``max_alerts`` alerts unless that is 0."""
    kept = notification.alerts[: max_alerts or None]
    return {
        "receiver": quoted_receiver(notification.receiver),
        "status": replace(notification, alerts=kept).status,
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
