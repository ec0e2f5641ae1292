"""Microsoft Teams: the connectors of old (MessageCard), and workflows (Adaptive Card).

Source: learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, TypeVar

import orjson

from tocsin.alerts import Notification
from tocsin.config.alertmanager import MsteamsConfig, MsteamsV2Config
from tocsin.notify.channel import HttpChannel
from tocsin.notify.http import Answer, Request
from tocsin.notify.template import Expander

_THEME_COLORS: Final = {"firing": "8C1A1A", "resolved": "2DC72D"}
_TEXT_COLORS: Final = {"firing": "Attention", "resolved": "Good"}
_FAILED: Final = "Webhook message delivery failed"
_THROTTLED: Final = "HTTP error 429"

T = TypeVar("T", MsteamsConfig, MsteamsV2Config)


class _TeamsChannel(HttpChannel[T]):
    """Posts a card to a webhook's URL."""

    @abstractmethod
    def card(self, notification: Notification, expander: Expander) -> dict[str, Any]:
        """The document to post."""

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        url = self.secrets.read(self.config.webhook_url, self.config.webhook_url_file)
        return [Request(url, orjson.dumps(self.card(notification, expander)))]

    def check(self, answer: Answer) -> None:
        """Raise RefusalError unless it was taken: connectors answer 200 even when Teams refuses."""
        super().check(answer)
        text = answer.body.decode(errors="replace")
        if text.startswith(_FAILED):
            raise self.http.refusal(answer, is_retryable=_THROTTLED in text, detail=text)


class MsteamsChannel(_TeamsChannel[MsteamsConfig]):
    """Posts a MessageCard to a connector."""

    integration: ClassVar[str] = "msteams"

    def card(self, notification: Notification, expander: Expander) -> dict[str, Any]:
        """The document to post."""
        return {
            "@context": "http://schema.org/extensions",
            "type": "MessageCard",
            "title": expander.text("title", self.config.title),
            "summary": expander.text("summary", self.config.summary),
            "text": expander.text("text", self.config.text),
            "themeColor": _THEME_COLORS[notification.status],
        }


class MsteamsV2Channel(_TeamsChannel[MsteamsV2Config]):
    """Posts an Adaptive Card to a workflow."""

    integration: ClassVar[str] = "msteamsv2"

    def card(self, notification: Notification, expander: Expander) -> dict[str, Any]:
        """The document to post."""
        title = {
            "type": "TextBlock",
            "text": expander.text("title", self.config.title),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "style": "heading",
            "color": _TEXT_COLORS[notification.status],
        }
        text = {"type": "TextBlock", "text": expander.text("text", self.config.text), "wrap": True}
        content = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": [title, text],
            "msteams": {"width": "full"},
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": content,
        }
        return {"type": "message", "attachments": [attachment]}
