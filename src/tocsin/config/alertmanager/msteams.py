"""The keys of Microsoft Teams receivers: connectors, and the workflows that have replaced them."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import SecretUrl
from tocsin.config.alertmanager.values import SecretFile, exactly_one


class _TeamsConfig(HttpChannelConfig):
    """A webhook of Microsoft Teams."""

    webhook_url: SecretUrl | None = None
    webhook_url_file: SecretFile = None

    @model_validator(mode="after")
    def _has_one_url(self) -> Self:
        exactly_one(webhook_url=self.webhook_url, webhook_url_file=self.webhook_url_file)
        return self


class MsteamsConfig(_TeamsConfig):
    """An incoming webhook, as connectors of Microsoft 365 have them."""

    title: str = '{{ template "msteams.default.title" . }}'
    summary: str = '{{ template "msteams.default.summary" . }}'
    text: str = '{{ template "msteams.default.text" . }}'


class MsteamsV2Config(_TeamsConfig):
    """A workflow that begins when a webhook request is received; it takes adaptive cards."""

    title: str = '{{ template "msteamsv2.default.title" . }}'
    text: str = '{{ template "msteamsv2.default.text" . }}'
