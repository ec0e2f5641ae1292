"""The keys of a Discord receiver."""

from __future__ import annotations

from pydantic import model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import SecretUrl
from tocsin.config.alertmanager.values import SecretFile, exactly_one


class DiscordConfig(HttpChannelConfig):
    """A webhook of a Discord channel."""

    webhook_url: SecretUrl | None = None
    webhook_url_file: SecretFile = None
    content: str = ""
    title: str = '{{ template "discord.default.title" . }}'
    message: str = '{{ template "discord.default.message" . }}'
    username: str = ""
    avatar_url: str = ""

    @model_validator(mode="after")
    def _has_one_url(self) -> DiscordConfig:
        exactly_one(webhook_url=self.webhook_url, webhook_url_file=self.webhook_url_file)
        return self
