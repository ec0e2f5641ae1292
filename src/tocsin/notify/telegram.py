"""Telegram's bots.

Source: core.telegram.org/bots/api#sendmessage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

import orjson

from tocsin.alerts import DeliveryError, Notification
from tocsin.config.alertmanager import TelegramConfig
from tocsin.notify.channel import HttpChannel
from tocsin.notify.http import Answer, Request
from tocsin.notify.rendering import without_empty
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

MAX_MESSAGE_LENGTH: Final = 4096

_TAG: Final = re.compile(r"<(/?)([a-zA-Z][\w-]*)[^>]*>")
_CUT_OFF: Final = re.compile(r"(<[^>]*|&[^;\s]{0,8})\Z")


class TelegramChannel(HttpChannel[TelegramConfig]):
    """Writes to a chat."""

    integration: ClassVar[str] = "telegram"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        config = self.config
        if config.parse_mode == "HTML":
            text = truncate_html(expander.html("message", config.message), MAX_MESSAGE_LENGTH)
        else:
            text = truncate(expander.text("message", config.message), MAX_MESSAGE_LENGTH)
        message = {
            "chat_id": self._chat(),
            "text": text,
            "disable_web_page_preview": "true",
            **without_empty(
                {
                    "disable_notification": "true" if config.disable_notifications else "",
                    "parse_mode": config.parse_mode,
                    "message_thread_id": str(config.message_thread_id or ""),
                }
            ),
        }
        token = self.secrets.read(config.bot_token, config.bot_token_file)
        url = f"{config.api_url.rstrip('/')}/bot{token}/sendMessage"
        return [Request(url, orjson.dumps(message))]

    def fault(self, answer: Answer) -> str:
        """What Telegram says is wrong."""
        document = answer.json()
        return "" if document.get("ok", True) else str(document.get("description") or "not ok")

    def detail(self, answer: Answer) -> str:
        """What Telegram says is wrong."""
        return str(answer.json().get("description") or "")

    def retry_after_s(self, answer: Answer) -> float | None:
        """Telegram says how long to wait in the body."""
        parameters = answer.json().get("parameters")
        asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
        return float(asked) if isinstance(asked, int | float) else super().retry_after_s(answer)

    def _chat(self) -> str:
        if self.config.chat_id_file is None:
            return str(self.config.chat_id)
        text = self.secrets.read(None, self.config.chat_id_file)
        if not text.lstrip("-").isdigit():
            raise DeliveryError(f"{self.config.chat_id_file} holds no chat_id, a number", is_retryable=True)
        return text


def truncate_html(text: str, length: int) -> str:
    """No more than some characters of HTML, in which what is open at the end is closed.

    >>> truncate_html("<b>bold &amp; more</b>", 14)
    '<b>bold …</b>'
    """
    if len(text) <= length:
        return text
    room = length - 1
    while True:
        kept = _CUT_OFF.sub("", text[:room])
        closing = "".join(f"</{tag}>" for tag in reversed(_open_tags(kept)))
        excess = len(kept) + 1 + len(closing) - length
        if excess <= 0 or room <= 0:
            return f"{kept}…{closing}"
        room -= excess


def _open_tags(text: str) -> list[str]:
    tags: list[str] = []
    for match in _TAG.finditer(text):
        if not match[1]:
            tags.append(match[2])
        elif match[2] in tags:
            del tags[len(tags) - 1 - tags[::-1].index(match[2]) :]
    return tags
