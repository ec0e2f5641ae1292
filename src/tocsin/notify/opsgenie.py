"""Opsgenie's alert API.

Source: docs.opsgenie.com/docs/alert-api.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import orjson

from tocsin.alerts import Notification, common_pairs
from tocsin.config.alertmanager import OpsgenieConfig
from tocsin.gotemplate import TemplateError
from tocsin.notify.channel import HttpChannel, group_id
from tocsin.notify.http import Request
from tocsin.notify.rendering import without_empty
from tocsin.notify.template import Expander
from tocsin.notify.truncate import truncate

_MAX_MESSAGE_LENGTH: Final = 130
_TYPES: Final = ("team", "teams", "user", "escalation", "schedule")


class OpsgenieChannel(HttpChannel[OpsgenieConfig]):
    """Creates one alert for a group, and closes it."""

    integration: ClassVar[str] = "opsgenie"

    def requests(self, notification: Notification, expander: Expander) -> Sequence[Request]:
        """One request; with ``update_alerts`` three, since creating what exists does not change it."""
        alias = group_id(notification.group_key)
        alerts = f"{self.config.api_url}v2/alerts"
        source = expander.text("source", self.config.source)
        if notification.status == "resolved":
            url = f"{alerts}/{alias}/close?identifierType=alias"
            return [self._request("POST", url, {"source": source}, expander)]
        message = truncate(expander.text("message", self.config.message), _MAX_MESSAGE_LENGTH)
        description = expander.text("description", self.config.description)
        alert = {
            "alias": alias,
            "message": message,
            "details": self._details(notification, expander),
            "source": source,
            **without_empty({"description": description, **self._more(expander)}),
        }
        requests = [self._request("POST", alerts, alert, expander)]
        if self.config.update_alerts:
            for name, text in (("message", message), ("description", description)):
                url = f"{alerts}/{alias}/{name}?identifierType=alias"
                requests.append(self._request("PUT", url, without_empty({name: text}), expander))
        return requests

    def _request(self, method: str, url: str, document: dict[str, Any], expander: Expander) -> Request:
        key = expander.text("api_key", self.secrets.read(self.config.api_key, self.config.api_key_file))
        self.secrets.add(key)
        return Request(
            url, orjson.dumps(document), method=method, headers={"Authorization": f"GenieKey {key}"}
        )

    def _details(self, notification: Notification, expander: Expander) -> dict[str, str]:
        common = common_pairs([alert.labels for alert in notification.alerts])
        return {**common, **expander.texts("details", self.config.details)}

    def _more(self, expander: Expander) -> dict[str, Any]:
        config = self.config
        return {
            "responders": list(self._responders(expander)),
            "tags": _listed(expander.text("tags", config.tags)),
            "note": expander.text("note", config.note),
            "priority": expander.text("priority", config.priority),
            "entity": expander.text("entity", config.entity),
            "actions": _listed(expander.text("actions", config.actions)),
        }

    def _responders(self, expander: Expander) -> Iterator[dict[str, str]]:
        for config in self.config.responders:
            keys = ("id", "name", "username")
            named = {key: expander.text(f"responders.{key}", getattr(config, key)) for key in keys}
            kind = expander.text("responders.type", config.type).lower()
            if not any(named.values()):
                continue
            if kind not in _TYPES:
                raise TemplateError(
                    f'opsgenie: a responder cannot be of the type "{kind}" (allowed: {", ".join(_TYPES)})'
                )
            if kind == "teams":
                yield from ({"name": name, "type": "team"} for name in _listed(named["name"]))
            else:
                yield {**without_empty(named), "type": kind}


def _listed(text: str) -> list[str]:
    """What stands between commas, with the spaces beside them, as Alertmanager sends it."""
    return [part for part in text.strip().split(",") if part]
