"""Short forms of channels, and the configurations of Alertmanager's channels that they stand for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    SerializeAsAny,
    WithJsonSchema,
    model_validator,
)

from tocsin.config.alertmanager import (
    AppriseConfig,
    ChannelConfig,
    DiscordConfig,
    EmailConfig,
    MsteamsConfig,
    MsteamsV2Config,
    OpsgenieConfig,
    PagerdutyConfig,
    SlackConfig,
    TelegramConfig,
    WebhookConfig,
)
from tocsin.config.alertmanager.http import FolderUrl, SecretUrl
from tocsin.config.alertmanager.opsgenie import OPSGENIE_API_URL
from tocsin.config.alertmanager.values import Text
from tocsin.config.short.model import ShortModel, fault

# Slack's own default has a title and no text, and the text is what a rule's message is.
_TEXT: Final = """{{ range .Alerts }}{{ .Annotations.summary }}
{{ with .Annotations.description }}{{ . }}
{{ end }}{{ end }}"""

_PAGERDUTY_SEVERITY: Final = (
    '{{ with .CommonLabels.severity }}{{ if eq . "critical" }}critical{{ else if eq . "high" }}error'
    '{{ else if or (eq . "low") (eq . "info") }}info{{ else }}warning{{ end }}{{ else }}warning{{ end }}'
)
_OPSGENIE_PRIORITY: Final = (
    '{{ with .CommonLabels.severity }}{{ if eq . "critical" }}P1{{ else if eq . "high" }}P2'
    '{{ else if eq . "low" }}P4{{ else if eq . "info" }}P5{{ else }}P3{{ end }}{{ else }}P3{{ end }}'
)

# Connectors of Microsoft 365 take another message than the workflows that have replaced them.
_CONNECTORS: Final = "webhook.office.com"

_SMTP_PORT: Final = 587


def _instead(key: str, message: str | None) -> dict[str, Any]:
    return {key: message} if message else {}


class ShortChannel(ShortModel):
    """A way to tell somebody; ``send_resolved``: also when it is over."""

    type: str
    send_resolved: bool = True

    @abstractmethod
    def config(self, message: str | None = None) -> ChannelConfig:
        """The channel as Alertmanager has it, with another template for its text where there is one."""


class SlackChannel(ShortChannel):
    """An incoming webhook of Slack."""

    webhook_url: SecretUrl
    channel: str = ""

    def config(self, message: str | None = None) -> SlackConfig:
        """A Slack channel."""
        return SlackConfig(
            send_resolved=self.send_resolved,
            api_url=self.webhook_url,
            channel=self.channel,
            text=message or _TEXT,
        )


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _some(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise ValueError("at least one address is needed")
    return addresses


class EmailChannel(ShortChannel):
    """Addresses, and the server that takes mail for them; ``use_tls``: never without."""

    smtp_server: Text
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = _SMTP_PORT
    from_address: Text
    to_addresses: Annotated[tuple[Text, ...], BeforeValidator(_listed), AfterValidator(_some)]
    username: str = ""
    password: SecretStr | None = None
    use_tls: bool = True

    def config(self, message: str | None = None) -> EmailConfig:
        """An email channel; a message of one's own is sent as plain text."""
        host = f"[{self.smtp_server}]" if ":" in self.smtp_server else self.smtp_server
        fields: dict[str, Any] = {
            "send_resolved": self.send_resolved,
            "to": ", ".join(self.to_addresses),
            "from": self.from_address,
            "smarthost": f"{host}:{self.smtp_port}",
            "auth_username": self.username,
            "auth_password": self.password,
            "require_tls": self.use_tls,
        }
        if message:
            fields |= {"html": "", "text": message}
        return EmailConfig(**fields)


class WebhookChannel(ShortChannel):
    """A URL that takes Alertmanager's webhook JSON."""

    url: SecretUrl

    def config(self, message: str | None = None) -> WebhookConfig:
        """A webhook; its JSON has no text that a template could replace."""
        return WebhookConfig(send_resolved=self.send_resolved, url=self.url)


class PagerdutyChannel(ShortChannel):
    """The key of an integration of the Events API v2, by either of its names."""

    routing_key: SecretStr | None = None
    integration_key: SecretStr | None = None

    @model_validator(mode="after")
    def _has_one_key(self) -> PagerdutyChannel:
        if bool(self.routing_key) == bool(self.integration_key):
            raise ValueError("one of routing_key and integration_key is needed, and not both")
        return self

    def config(self, message: str | None = None) -> PagerdutyConfig:
        """A PagerDuty channel."""
        return PagerdutyConfig(
            send_resolved=self.send_resolved,
            routing_key=self.routing_key or self.integration_key,
            severity=_PAGERDUTY_SEVERITY,
            **_instead("description", message),
        )


class TeamsChannel(ShortChannel):
    """A webhook of Microsoft Teams: a workflow's, or an older connector's."""

    webhook_url: SecretUrl

    @property
    def is_connector(self) -> bool:
        """Whether the URL is that of a connector."""
        host = urlsplit(self.webhook_url.get_secret_value()).hostname or ""
        return host == _CONNECTORS or host.endswith(f".{_CONNECTORS}")

    def config(self, message: str | None = None) -> MsteamsConfig | MsteamsV2Config:
        """A Teams channel."""
        make = MsteamsConfig if self.is_connector else MsteamsV2Config
        return make(
            send_resolved=self.send_resolved, webhook_url=self.webhook_url, **_instead("text", message)
        )


class DiscordChannel(ShortChannel):
    """A webhook of a Discord channel."""

    webhook_url: SecretUrl

    def config(self, message: str | None = None) -> DiscordConfig:
        """A Discord channel."""
        return DiscordConfig(
            send_resolved=self.send_resolved, webhook_url=self.webhook_url, **_instead("message", message)
        )


class TelegramChannel(ShortChannel):
    """A bot and the chat that it writes to."""

    bot_token: SecretStr
    chat_id: int

    @model_validator(mode="after")
    def _is_known(self) -> TelegramChannel:
        if not self.chat_id or not self.bot_token:
            raise ValueError("a bot_token and a chat_id other than 0 are needed")
        return self

    def config(self, message: str | None = None) -> TelegramConfig:
        """A Telegram channel."""
        return TelegramConfig(
            send_resolved=self.send_resolved,
            bot_token=self.bot_token,
            chat_id=self.chat_id,
            **_instead("message", message),
        )


class OpsgenieChannel(ShortChannel):
    """An integration of Opsgenie; ``api_url`` is another one in the European Union."""

    api_key: SecretStr
    api_url: FolderUrl = OPSGENIE_API_URL

    @model_validator(mode="after")
    def _has_a_key(self) -> OpsgenieChannel:
        if not self.api_key:
            raise ValueError("the api_key is empty")
        return self

    def config(self, message: str | None = None) -> OpsgenieConfig:
        """An Opsgenie channel."""
        return OpsgenieConfig(
            send_resolved=self.send_resolved,
            api_key=self.api_key,
            api_url=self.api_url,
            priority=_OPSGENIE_PRIORITY,
            **_instead("description", message),
        )


class AppriseChannel(ShortChannel):
    """One address in Apprise's notation."""

    url: SecretStr

    @model_validator(mode="after")
    def _has_a_url(self) -> AppriseChannel:
        if not self.url:
            raise ValueError("the url is empty")
        return self

    def config(self, message: str | None = None) -> AppriseConfig:
        """An Apprise channel."""
        return AppriseConfig(send_resolved=self.send_resolved, url=self.url, **_instead("body", message))


TYPES: Final[Mapping[str, type[ShortChannel]]] = {
    "apprise": AppriseChannel,
    "discord": DiscordChannel,
    "email": EmailChannel,
    "opsgenie": OpsgenieChannel,
    "pagerduty": PagerdutyChannel,
    "slack": SlackChannel,
    "teams": TeamsChannel,
    "telegram": TelegramChannel,
    "webhook": WebhookChannel,
}
"""The types of channels. A new one is one more class, and one more line here."""

NOBODY: Final = "nobody"
"""The receiver that has no channel, whose name no channel can have."""

_RESERVED: Final = frozenset("/:")
"""What stands in the names of receivers that are made of several channels."""


def _with_types(entries: object) -> object:
    """Say of each entry which type it is: its own word, or its name."""
    if not isinstance(entries, dict):
        return entries
    for name, entry in entries.items():
        if not name or name == NOBODY or _RESERVED.intersection(name):
            raise fault(f'no name for a channel (it has no / and no :, and is not "{NOBODY}")', name, entry)
        if isinstance(entry, dict) and "type" not in entry and name not in TYPES:
            raise fault(f"type is missing (allowed: {', '.join(TYPES)})", name, entry)
    return {
        name: {"type": name, **entry} if isinstance(entry, dict) else entry for name, entry in entries.items()
    }


def _channel(value: Any) -> ShortChannel:
    if isinstance(value, ShortChannel):
        return value
    if not isinstance(value, dict):
        raise ValueError("a channel must be a mapping")  # noqa: TRY004 - the only kind that pydantic reports
    kind = value["type"]
    if not isinstance(kind, str) or kind not in TYPES:
        raise fault(f'there is no type "{kind}" (allowed: {", ".join(TYPES)})', "type", kind)
    return TYPES[kind].model_validate(value)


_SCHEMA: Final = {"type": "object"}

Channels: TypeAlias = Annotated[
    dict[str, Annotated[SerializeAsAny[ShortChannel], PlainValidator(_channel), WithJsonSchema(_SCHEMA)]],
    BeforeValidator(_with_types),
]
"""Channels by name; one that is named like its type needs no ``type``."""
