"""The keys of a PagerDuty receiver."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import HttpUrl
from tocsin.config.alertmanager.values import Secret, SecretFile, only_one
from tocsin.config.go_duration import GoDurationMs
from tocsin.config.model import ConfigModel

PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"
"""The Events API v2."""

_DETAILS: Final = {
    "firing": '{{ template "pagerduty.default.instances" .Alerts.Firing }}',
    "resolved": '{{ template "pagerduty.default.instances" .Alerts.Resolved }}',
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}


def _with_defaults(details: object) -> object:
    return {**_DETAILS, **details} if isinstance(details, dict) else details


class PagerdutyImageConfig(ConfigModel):
    """An image in an incident."""

    href: str = ""
    src: str = ""
    alt: str = ""


class PagerdutyLinkConfig(ConfigModel):
    """A link in an incident."""

    href: str = ""
    text: str = ""


class PagerdutyConfig(HttpChannelConfig):
    """An integration: of the Events API v2 (``routing_key``), or of the older kind (``service_key``).

    ``details`` has the four of the default, unless they are given; a value may be a mapping or a list.
    """

    service_key: Secret = None
    service_key_file: SecretFile = None
    routing_key: Secret = None
    routing_key_file: SecretFile = None
    url: HttpUrl = PAGERDUTY_URL
    client: str = '{{ template "pagerduty.default.client" . }}'
    client_url: str = '{{ template "pagerduty.default.clientURL" . }}'
    description: str = '{{ template "pagerduty.default.description" .}}'
    details: Annotated[dict[str, Any], BeforeValidator(_with_defaults)] = Field(
        default_factory=lambda: dict(_DETAILS)
    )
    images: tuple[PagerdutyImageConfig, ...] = ()
    links: tuple[PagerdutyLinkConfig, ...] = ()
    source: str = ""
    severity: str = ""
    class_: str = Field(default="", alias="class")
    component: str = ""
    group: str = ""
    timeout: GoDurationMs = 0

    @model_validator(mode="before")
    @classmethod
    def _source_is_client(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("source"):
            return {**data, "source": data.get("client", cls.model_fields["client"].default)}
        return data

    @model_validator(mode="after")
    def _has_a_key(self) -> PagerdutyConfig:
        only_one(routing_key=self.routing_key, routing_key_file=self.routing_key_file)
        only_one(service_key=self.service_key, service_key_file=self.service_key_file)
        if not (self.routing_key or self.routing_key_file or self.service_key or self.service_key_file):
            raise ValueError("a routing_key or a service_key is needed")
        return self
