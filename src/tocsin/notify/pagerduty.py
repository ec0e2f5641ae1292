"""PagerDuty's Events API, version 2 and the older version 1.

Source: developer.pagerduty.com/docs/events-api-v2-overview.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import orjson

from tocsin.alerts import Notification
from tocsin.config.alertmanager import PagerdutyConfig
from tocsin.notify.channel import ChannelContext, HttpChannel, group_id
from tocsin.notify.http import Answer, Request
from tocsin.notify.rendering import rendered, without_empty
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

VERSION_1_URL: Final = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"

_MAX_SUMMARY_LENGTH: Final = 1024
_MAX_EVENT_BYTES: Final = 512_000
_TOO_LARGE: Final = {
    "error": "Custom details have been removed because the original event exceeds the maximum size of 512KB"
}
_FORBIDDEN: Final = 403


class PagerdutyChannel(HttpChannel[PagerdutyConfig]):
    """Triggers, resolves and acknowledges; a group is one incident."""

    integration: ClassVar[str] = "pagerduty"
    version_1_url: ClassVar[str] = VERSION_1_URL

    def __init__(self, config: PagerdutyConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._is_version_1 = bool(config.service_key or config.service_key_file)
        if self._is_version_1:
            # It answers so when it is asked too often.
            self.retried |= {_FORBIDDEN}

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request."""
        action = "trigger" if notification.status == "firing" else "resolve"
        key = expander.text("routing_key", self._key())
        self.secrets.add(key)
        details = rendered("details", self.config.details, expander)
        description = expander.text("description", self.config.description)
        summary = truncate(description, _MAX_SUMMARY_LENGTH)
        make = self._event_1 if self._is_version_1 else self._event_2
        event = make(action, key, summary, details, notification, expander)
        body = orjson.dumps(event)
        if len(body) > _MAX_EVENT_BYTES:
            event = make(action, key, summary, dict(_TOO_LARGE), notification, expander)
            body = orjson.dumps(event)
        return [Request(self._url, body)]

    async def acknowledge(self, group_key: str) -> None:
        """Say that somebody has taken over the incident of a group; raises DeliveryError."""
        key, group = self._key(), group_id(group_key)
        if self._is_version_1:
            event = {"service_key": key, "event_type": "acknowledge", "incident_key": group}
        else:
            event = {"routing_key": key, "event_action": "acknowledge", "dedup_key": group}
        self.check(await self.http.send(Request(self._url, orjson.dumps(event))))

    def detail(self, answer: Answer) -> str:
        """The message and the list of errors that PagerDuty answers with."""
        document = answer.json()
        errors = document.get("errors") or []
        return ": ".join([*filter(None, [document.get("message")]), ", ".join(map(str, errors))]).strip(": ")

    @property
    def _url(self) -> str:
        return self.version_1_url if self._is_version_1 else self.config.url

    def _key(self) -> str:
        if self._is_version_1:
            return self.secrets.read(self.config.service_key, self.config.service_key_file)
        return self.secrets.read(self.config.routing_key, self.config.routing_key_file)

    def _event_1(
        self,
        action: str,
        key: str,
        summary: str,
        details: dict[str, Any],
        notification: Notification,
        expander: Expander,
    ) -> dict[str, Any]:
        event = {
            "service_key": key,
            "incident_key": group_id(notification.group_key),
            "event_type": action,
            "description": summary,
            "details": details,
        }
        if action == "trigger":
            event |= self._client(expander)
        return {**without_empty(event), "event_action": "", "payload": None}

    def _event_2(
        self,
        action: str,
        key: str,
        summary: str,
        details: dict[str, Any],
        notification: Notification,
        expander: Expander,
    ) -> dict[str, Any]:
        config = self.config
        payload = {
            "class": expander.text("class", config.class_),
            "component": expander.text("component", config.component),
            "group": expander.text("group", config.group),
            "custom_details": details,
        }
        required = {
            "summary": summary,
            "source": expander.text("source", config.source),
            "severity": expander.text("severity", config.severity or "error"),
        }
        event = {
            "routing_key": key,
            "dedup_key": group_id(notification.group_key),
            **self._client(expander),
            "images": self._images(expander),
            "links": self._links(notification, expander),
        }
        return {
            **without_empty(event),
            "event_action": action,
            "payload": {**without_empty(payload), **required},
        }

    def _client(self, expander: Expander) -> dict[str, str]:
        return {
            "client": expander.text("client", self.config.client),
            "client_url": expander.text("client_url", self.config.client_url),
        }

    def _images(self, expander: Expander) -> list[dict[str, str]]:
        keys = ("src", "alt", "href")
        images = [
            {key: expander.text(f"images.{key}", getattr(image, key)) for key in keys}
            for image in self.config.images
        ]
        return [image for image in images if image["src"]]

    def _links(self, notification: Notification, expander: Expander) -> list[dict[str, str]]:
        links = [
            {key: expander.text(f"links.{key}", getattr(link, key)) for key in ("href", "text")}
            for link in self.config.links
        ]
        if notification.acknowledge_url:
            links.append({"href": notification.acknowledge_url, "text": "Acknowledge"})
        return [link for link in links if link["href"]]
