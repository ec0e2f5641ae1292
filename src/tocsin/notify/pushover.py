"""Pushover's messages.

Source: pushover.net/api.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import urlencode

from tocsin.alerts import Notification
from tocsin.config.alertmanager import PushoverConfig
from tocsin.notify.channel import HttpChannel
from tocsin.notify.http import Answer, Request
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

_MAX_TITLE_LENGTH: Final = 250
_MAX_MESSAGE_LENGTH: Final = 1024
_MAX_URL_LENGTH: Final = 512
_NO_MESSAGE: Final = "(no details)"
"""Pushover refuses a message without text."""


class PushoverChannel(HttpChannel[PushoverConfig]):
    """Sends one message for each notification."""

    integration: ClassVar[str] = "pushover"
    api_url: ClassVar[str] = "https://api.pushover.net/1/messages.json"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request, whose parameters stand in the address as those of Alertmanager's do."""
        config = self.config
        render = expander.html if config.html else expander.text
        message = truncate(render("message", config.message), _MAX_MESSAGE_LENGTH).strip()
        url = truncate(expander.text("url", config.url), _MAX_URL_LENGTH)
        parameters = {
            "token": expander.text("token", self.secrets.read(config.token, config.token_file)),
            "user": expander.text("user_key", self.secrets.read(config.user_key, config.user_key_file)),
            "title": truncate(expander.text("title", config.title), _MAX_TITLE_LENGTH),
            **({"html": "1"} if config.html else {}),
            **({"monospace": "1"} if config.monospace else {}),
            "message": message or _NO_MESSAGE,
            "url": url,
            "url_title": expander.text("url_title", config.url_title),
            "priority": expander.text("priority", config.priority),
            "retry": str(config.retry // 1000),
            "expire": str(config.expire // 1000),
            "device": expander.text("device", config.device),
            "sound": expander.text("sound", config.sound),
            **({"ttl": str(config.ttl // 1000)} if config.ttl >= 1000 else {}),
        }
        return [Request(f"{self.api_url}?{urlencode(parameters)}", content_type="text/plain")]

    def detail(self, answer: Answer) -> str:
        """What Pushover says is wrong."""
        errors = answer.json().get("errors")
        return ", ".join(map(str, errors)) if isinstance(errors, list) else ""
