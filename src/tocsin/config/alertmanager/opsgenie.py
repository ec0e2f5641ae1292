"""The keys of an OpsGenie receiver."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import FolderUrl
from tocsin.config.alertmanager.values import Secret, SecretFile, only_one
from tocsin.config.model import ConfigModel

OPSGENIE_API_URL: Final = "https://api.opsgenie.com/"
"""Opsgenie's own servers outside the European Union."""

_TYPES: Final = ("team", "teams", "user", "escalation", "schedule")


def _responder_type(value: str) -> str:
    if "{{" in value:
        return value
    if value.lower() not in _TYPES:
        raise ValueError(f'a responder cannot be of the type "{value}" (allowed: {", ".join(_TYPES)})')
    return value.lower()


class OpsgenieResponderConfig(ConfigModel):
    """Who is responsible, by one of three names."""

    id: str = ""
    name: str = ""
    username: str = ""
    type: Annotated[str, AfterValidator(_responder_type)]

    @model_validator(mode="after")
    def _has_a_name(self) -> OpsgenieResponderConfig:
        if not (self.id or self.name or self.username):
            raise ValueError("a responder needs an id, a name or a username")
        return self


class OpsgenieConfig(HttpChannelConfig):
    """An integration of Opsgenie; in a loaded file the key is always known."""

    api_key: Secret = None
    api_key_file: SecretFile = None
    api_url: FolderUrl = OPSGENIE_API_URL
    message: str = '{{ template "opsgenie.default.message" . }}'
    description: str = '{{ template "opsgenie.default.description" . }}'
    source: str = '{{ template "opsgenie.default.source" . }}'
    details: dict[str, str] = Field(default_factory=dict)
    entity: str = ""
    responders: tuple[OpsgenieResponderConfig, ...] = ()
    actions: str = ""
    tags: str = ""
    note: str = ""
    priority: str = ""
    update_alerts: bool = False

    @model_validator(mode="after")
    def _has_one_key(self) -> OpsgenieConfig:
        only_one(api_key=self.api_key, api_key_file=self.api_key_file)
        return self


def complete_opsgenie(config: OpsgenieConfig) -> OpsgenieConfig:
    """A configuration that has a key; raises ValueError when it has none."""
    if not config.api_key and not config.api_key_file:
        raise ValueError("no api_key: set it here, or opsgenie_api_key in global")
    return config
