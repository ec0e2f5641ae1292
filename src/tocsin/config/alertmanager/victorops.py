"""The keys of a VictorOps (Splunk On-Call) receiver."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import FolderUrl
from tocsin.config.alertmanager.values import Secret, SecretFile, Text, only_one

VICTOROPS_API_URL: Final = "https://alert.victorops.com/integrations/generic/20131114/alert/"
"""VictorOps' own servers."""

_OWN_FIELDS: Final = (
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
)


class VictoropsConfig(HttpChannelConfig):
    """A REST integration and the team that it is routed to; in a loaded file the key is always known."""

    api_key: Secret = None
    api_key_file: SecretFile = None
    api_url: FolderUrl = VICTOROPS_API_URL
    routing_key: Text
    message_type: str = "CRITICAL"
    state_message: str = '{{ template "victorops.default.state_message" . }}'
    entity_display_name: str = '{{ template "victorops.default.entity_display_name" . }}'
    monitoring_tool: str = '{{ template "victorops.default.monitoring_tool" . }}'
    custom_fields: dict[str, str] = Field(default_factory=dict)

    @field_validator("custom_fields")
    @classmethod
    def _are_other_fields(cls, fields: dict[str, str]) -> dict[str, str]:
        for name in _OWN_FIELDS:
            if name in fields:
                raise ValueError(f'the field "{name}" is always sent and cannot be a custom one')
        return fields

    @model_validator(mode="after")
    def _has_one_key(self) -> VictoropsConfig:
        only_one(api_key=self.api_key, api_key_file=self.api_key_file)
        return self


def complete_victorops(config: VictoropsConfig) -> VictoropsConfig:
    """A configuration that has a key; raises ValueError when it has none."""
    if not config.api_key and not config.api_key_file:
        raise ValueError("no api_key: set it here, or victorops_api_key in global")
    return config
