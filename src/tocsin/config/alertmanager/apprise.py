"""The keys of an Apprise receiver: tocsin's own kind, for any service that Apprise can reach."""

from __future__ import annotations

from pydantic import model_validator

from tocsin.config.alertmanager.channel import ChannelConfig
from tocsin.config.alertmanager.values import Secret, SecretFile, exactly_one


class AppriseConfig(ChannelConfig):
    """One address in Apprise's notation, such as ``matrix://user:password@host/#room``."""

    url: Secret = None
    url_file: SecretFile = None
    title: str = '{{ template "apprise.default.title" . }}'
    body: str = '{{ template "apprise.default.body" . }}'

    @model_validator(mode="after")
    def _has_one_url(self) -> AppriseConfig:
        exactly_one(url=self.url, url_file=self.url_file)
        return self
