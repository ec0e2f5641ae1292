"""The keys of a webhook receiver."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import TemplateUrl
from tocsin.config.alertmanager.values import SecretFile, exactly_one
from tocsin.config.go_duration import GoDurationMs


class WebhookConfig(HttpChannelConfig):
    """A URL that takes Alertmanager's webhook JSON; 0 stands for no ``max_alerts`` and no ``timeout``.

    A ``payload`` is sent instead of that JSON; each text in it is a template.
    """

    url: TemplateUrl | None = None
    url_file: SecretFile = None
    max_alerts: Annotated[int, Field(ge=0)] = 0
    timeout: GoDurationMs = 0
    payload: Any = None

    @model_validator(mode="after")
    def _has_one_url(self) -> WebhookConfig:
        exactly_one(url=self.url, url_file=self.url_file)
        return self
