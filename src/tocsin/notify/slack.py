"""Slack: incoming webhooks, and bots that post with ``chat.postMessage``.

Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
docs.slack.dev/reference/methods/chat.postMessage.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import orjson

from tocsin.alerts import Notification
from tocsin.config.alertmanager import SlackActionConfig, SlackConfig, SlackFieldConfig
from tocsin.notify.channel import ChannelContext, HttpChannel
from tocsin.notify.http import Answer, Request
from tocsin.notify.rendering import without_empty
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

_MAX_TITLE_LENGTH: Final = 1024
_MAX_KEPT: Final = 10_000
"""Groups whose message is remembered, so that it can be updated."""

_ATTACHMENT_KEYS: Final = (
    "title_link",
    "pretext",
    "text",
    "fallback",
    "callback_id",
    "image_url",
    "thumb_url",
    "footer",
    "color",
)
_ALWAYS: Final = frozenset({"text", "fallback", "callback_id", "footer"})
"""Keys of an attachment that are sent even when they are empty."""


class SlackChannel(HttpChannel[SlackConfig]):
    """Posts one message with one attachment for each notification."""

    integration: ClassVar[str] = "slack"

    def __init__(self, config: SlackConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._messages: OrderedDict[str, tuple[str, str]] = OrderedDict()

    async def notify(self, notification: Notification) -> None:
        """Post, or update the message of the group; raises DeliveryError."""
        (request,) = await self.prepared(notification)
        answer = await self.http.send(request)
        self.check(answer)
        if self.config.update_message:
            self._remember(notification, answer)

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        url = self.secrets.read(self.config.api_url, self.config.api_url_file)
        message = self._message(notification, expander)
        if (known := self._messages.get(notification.group_key)) is not None:
            channel, timestamp = known
            url = url.replace("chat.postMessage", "chat.update")
            message = {**message, "channel": channel, "ts": timestamp}
        return [Request(url, orjson.dumps(message))]

    def fault(self, answer: Answer) -> str:
        """Slack says in the body of an answer 200 that something is wrong."""
        if answer.headers.get("content-type", "").startswith("application/json"):
            document = answer.json()
            return "" if document.get("ok", True) else f"{document.get('error') or 'not ok'}"
        return "" if answer.body in {b"", b"ok"} else answer.body.decode(errors="replace")

    def _remember(self, notification: Notification, answer: Answer) -> None:
        """Keep where the message stands until its group is over."""
        document = answer.json()
        self._messages.pop(notification.group_key, None)
        if notification.status == "firing" and document.get("ts") and document.get("channel"):
            self._messages[notification.group_key] = (document["channel"], document["ts"])
        if len(self._messages) > _MAX_KEPT:
            self._messages.popitem(last=False)

    def _message(self, notification: Notification, expander: Expander) -> dict[str, Any]:
        config = self.config
        head = {
            "channel": expander.text("channel", config.channel),
            "username": expander.text("username", config.username),
            "icon_emoji": expander.text("icon_emoji", config.icon_emoji),
            "icon_url": expander.text("icon_url", config.icon_url),
            "link_names": config.link_names,
        }
        if config.message_text:
            return without_empty({**head, "text": expander.text("message_text", config.message_text)})
        return {**without_empty(head), "attachments": [self._attachment(notification, expander)]}

    def _attachment(self, notification: Notification, expander: Expander) -> dict[str, Any]:
        config = self.config
        texts = {key: expander.text(key, getattr(config, key)) for key in _ATTACHMENT_KEYS}
        attachment = {
            "title": truncate(expander.text("title", config.title), _MAX_TITLE_LENGTH),
            **texts,
            "fields": [_field(field, config, expander) for field in config.fields],
            "actions": [_action(action, expander) for action in config.actions],
            "mrkdwn_in": config.mrkdwn_in or ("fallback", "pretext", "text"),
        }
        if notification.acknowledge_url:
            button = {"type": "button", "text": "Acknowledge", "url": notification.acknowledge_url}
            attachment["actions"] = [*attachment["actions"], button]
        return {key: value for key, value in attachment.items() if value or key in _ALWAYS}


def _field(field: SlackFieldConfig, config: SlackConfig, expander: Expander) -> dict[str, Any]:
    return {
        "title": expander.text("fields.title", field.title),
        "value": expander.text("fields.value", field.value),
        "short": config.short_fields if field.short is None else field.short,
    }


def _action(action: SlackActionConfig, expander: Expander) -> dict[str, Any]:
    texts = {
        key: expander.text(f"actions.{key}", getattr(action, key))
        for key in ("type", "text", "url", "style", "name", "value")
    }
    kept: dict[str, Any] = {key: text for key, text in texts.items() if text or key in {"type", "text"}}
    if action.confirm is not None:
        keys = ("text", "title", "ok_text", "dismiss_text")
        confirm = {key: expander.text(f"actions.confirm.{key}", getattr(action.confirm, key)) for key in keys}
        kept["confirm"] = {key: text for key, text in confirm.items() if text or key == "text"}
    return kept
