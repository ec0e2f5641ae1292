"""Discord's webhooks.

Source: discord.com/developers/docs/resources/webhook#execute-webhook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import orjson

from tocsin.alerts import Notification
from tocsin.config.alertmanager import DiscordConfig
from tocsin.notify.channel import HttpChannel
from tocsin.notify.http import Answer, Request
from tocsin.notify.rendering import without_empty
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

_MAX_TITLE_LENGTH: Final = 256
_MAX_DESCRIPTION_LENGTH: Final = 4096
_MAX_CONTENT_LENGTH: Final = 2000
_COLORS: Final = {"firing": 0x992D22, "resolved": 0x2ECC71}


class DiscordChannel(HttpChannel[DiscordConfig]):
    """Posts one embed for each notification."""

    integration: ClassVar[str] = "discord"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        config = self.config
        embed = {
            "title": truncate(expander.text("title", config.title), _MAX_TITLE_LENGTH),
            "description": truncate(expander.text("message", config.message), _MAX_DESCRIPTION_LENGTH),
            "color": _COLORS[notification.status],
        }
        message: dict[str, Any] = {
            "content": truncate(expander.text("content", config.content), _MAX_CONTENT_LENGTH),
            "embeds": [embed],
            **without_empty({"username": config.username, "avatar_url": config.avatar_url}),
        }
        return [
            Request(self.secrets.read(config.webhook_url, config.webhook_url_file), orjson.dumps(message))
        ]

    def detail(self, answer: Answer) -> str:
        """What Discord says is wrong."""
        return str(answer.json().get("message") or "")

    def retry_after_s(self, answer: Answer) -> float | None:
        """Discord says how long to wait in the body, more exactly than in the header."""
        asked = answer.json().get("retry_after")
        return float(asked) if isinstance(asked, int | float) else super().retry_after_s(answer)
