"""VictorOps, now Splunk On-Call: its REST endpoint.

Source: help.victorops.com/knowledge-base/rest-endpoint-integration-guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import quote

import orjson

from tocsin.alerts import Notification
from tocsin.config.alertmanager import VictoropsConfig
from tocsin.notify.channel import HttpChannel, group_id
from tocsin.notify.http import Request
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

_MAX_MESSAGE_LENGTH: Final = 20_480
_TYPES: Final = frozenset({"INFO", "WARNING", "CRITICAL"})
_SAFE: Final = "/$&+,;=:@~"
"""What stays as it is in a path that Go writes."""


class VictoropsChannel(HttpChannel[VictoropsConfig]):
    """Posts one event for each notification."""

    integration: ClassVar[str] = "victorops"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        config = self.config
        kind = expander.text("message_type", config.message_type)
        if notification.status == "resolved":
            kind = "RECOVERY"
        elif kind not in _TYPES:
            kind = "CRITICAL"
        message = truncate(expander.text("state_message", config.state_message), _MAX_MESSAGE_LENGTH)
        event = {
            "message_type": kind,
            "entity_id": group_id(notification.group_key),
            "entity_display_name": expander.text("entity_display_name", config.entity_display_name),
            "state_message": message,
            "monitoring_tool": expander.text("monitoring_tool", config.monitoring_tool),
            **expander.texts("custom_fields", config.custom_fields),
        }
        key = self.secrets.read(config.api_key, config.api_key_file)
        path = quote(f"{key}/{expander.text('routing_key', config.routing_key)}", safe=_SAFE)
        return [Request(f"{config.api_url}{path}", orjson.dumps(event))]
