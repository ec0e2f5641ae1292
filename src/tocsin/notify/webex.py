"""Webex' messages.

Source: developer.webex.com/docs/api/v1/messages/create-a-message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import orjson

from tocsin.alerts import Notification
from tocsin.config.alertmanager import WebexConfig
from tocsin.notify.channel import HttpChannel
from tocsin.notify.http import Answer, Request
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate_bytes

_MAX_MESSAGE_BYTES: Final = 7439


class WebexChannel(HttpChannel[WebexConfig]):
    """Writes to a room."""

    integration: ClassVar[str] = "webex"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        message = {
            "markdown": truncate_bytes(expander.text("message", self.config.message), _MAX_MESSAGE_BYTES),
            "roomId": expander.text("room_id", self.config.room_id),
        }
        return [Request(self.config.api_url, orjson.dumps(message))]

    def detail(self, answer: Answer) -> str:
        """What Webex says is wrong."""
        return str(answer.json().get("message") or "")
