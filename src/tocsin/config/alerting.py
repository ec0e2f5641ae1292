"""Where alerts go: alertmanager.yml, and the ``alerting`` section of a prometheus.yml.

Source: prometheus.io/docs/alerting/latest/configuration. Keys and defaults are those of Alertmanager.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tocsin.config.http import Authorization, BasicAuth, at_most_one
from tocsin.config.matchers import parse_matchers
from tocsin.config.model import ConfigModel, DurationMs, LabelName, PositiveDurationMs
from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex

GROUP_BY_ALL: Final = "..."
"""In ``group_by``: every alert is a group of its own."""


def _http_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not a URL that begins with http:// or https:// and names a host")
    return value


def _matchers(value: object) -> object:
    written = value if isinstance(value, list) else [value]
    return tuple(matcher for text in written for matcher in parse_matchers(str(text)))


SecretUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_http_url)]
"""A URL that is itself a secret; it is never shown."""

Matchers: TypeAlias = Annotated[tuple[Matcher, ...], BeforeValidator(_matchers)]


class HttpConfig(ConfigModel):
    """How a request is made."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    follow_redirects: bool = True

    @model_validator(mode="after")
    def _is_one_way(self) -> HttpConfig:
        at_most_one("http_config", basic_auth=self.basic_auth, authorization=self.authorization)
        return self


class WebhookConfig(ConfigModel):
    """A URL that takes Alertmanager's webhook JSON; 0 stands for no ``max_alerts`` and no ``timeout``."""

    send_resolved: bool = True
    url: SecretUrl | None = None
    url_file: Path | None = None
    max_alerts: Annotated[int, Field(ge=0)] = 0
    timeout: DurationMs = 0
    http_config: HttpConfig = Field(default_factory=HttpConfig)

    @model_validator(mode="after")
    def _has_one_url(self) -> WebhookConfig:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("one of url and url_file is needed, and not both")
        return self


class ReceiverConfig(ConfigModel):
    """Whoever is told, by any number of channels."""

    name: Annotated[str, Field(min_length=1)]
    webhook_configs: tuple[WebhookConfig, ...] = ()


class RouteConfig(ConfigModel):
    """A node of the routing tree; what is left out is taken from the node above."""

    receiver: str | None = None
    group_by: tuple[str, ...] | None = None
    group_wait: DurationMs | None = None
    group_interval: PositiveDurationMs | None = None
    repeat_interval: PositiveDurationMs | None = None
    match: dict[LabelName, str] = Field(default_factory=dict)
    match_re: dict[LabelName, str] = Field(default_factory=dict)
    matchers: Matchers = ()
    continues: bool = Field(default=False, alias="continue")
    routes: tuple[RouteConfig, ...] = ()

    @field_validator("group_by")
    @classmethod
    def _each_label_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a label stands twice")
        if GROUP_BY_ALL in names and len(names) > 1:
            raise ValueError('"..." cannot stand beside other labels')
        return names

    @field_validator("match_re")
    @classmethod
    def _readable(cls, patterns: dict[str, str]) -> dict[str, str]:
        return {name: checked_regex(pattern) for name, pattern in patterns.items()}

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """The conditions of ``match``, ``match_re`` and ``matchers``, in Alertmanager's order."""
        equal = (Matcher(name, MatchType.EQUAL, value) for name, value in self.match.items())
        regex = (Matcher(name, MatchType.REGEX, f"^(?:{value})$") for name, value in self.match_re.items())
        every = (*equal, *regex, *self.matchers)
        return tuple(sorted(every, key=lambda matcher: (matcher.name, matcher.value, matcher.type)))

    def walk(self) -> Iterator[RouteConfig]:
        """The node itself and all below it."""
        yield self
        for route in self.routes:
            yield from route.walk()


class AlertmanagerGlobalConfig(ConfigModel):
    """``resolve_timeout``: how long an alert whose sender names no end lasts after it was last sent."""

    resolve_timeout: DurationMs = 300_000


class AlertmanagerConfig(ConfigModel):
    """The part of an alertmanager.yml that tocsin follows."""

    global_: AlertmanagerGlobalConfig = Field(default_factory=AlertmanagerGlobalConfig, alias="global")
    receivers: tuple[ReceiverConfig, ...] = ()
    route: RouteConfig

    @field_validator("receivers")
    @classmethod
    def _unique_names(cls, receivers: tuple[ReceiverConfig, ...]) -> tuple[ReceiverConfig, ...]:
        names = [receiver.name for receiver in receivers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'the receiver "{name}" stands twice')
        return receivers

    @field_validator("route")
    @classmethod
    def _is_root(cls, route: RouteConfig, info: ValidationInfo) -> RouteConfig:
        if route.receiver is None:
            raise ValueError("the root route needs a receiver")
        if route.all_matchers or route.continues:
            raise ValueError("the root route takes every alert: it has no matchers and no continue")
        known = {receiver.name for receiver in info.data.get("receivers", ())}
        for node in route.walk():
            if node.receiver is not None and node.receiver not in known:
                listed = ", ".join(sorted(known)) or "none"
                raise ValueError(f'the receiver "{node.receiver}" is not defined (defined: {listed})')
        return route


class AlertmanagerTargetsConfig(ConfigModel):
    """Addresses of Alertmanagers, each ``host:port``."""

    targets: tuple[str, ...] = ()
    labels: dict[LabelName, str] = Field(default_factory=dict)


class AlertmanagersConfig(ConfigModel):
    """Alertmanagers that get every alert, and how they are spoken to."""

    static_configs: tuple[AlertmanagerTargetsConfig, ...] = ()
    scheme: Literal["http", "https"] = "http"
    path_prefix: str = "/"
    api_version: Literal["v2"] = "v2"
    timeout: PositiveDurationMs = 10_000
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None


class AlertingConfig(ConfigModel):
    """The ``alerting`` section of a prometheus.yml."""

    alertmanagers: tuple[AlertmanagersConfig, ...] = ()
