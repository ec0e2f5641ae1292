"""The keys of a Pushover receiver."""

from __future__ import annotations

from pydantic import model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.values import Secret, SecretFile, exactly_one, only_one
from tocsin.config.go_duration import GoDurationMs


class PushoverConfig(HttpChannelConfig):
    """An application (``token``) that tells a user or a group (``user_key``); a ``ttl`` of 0 means none."""

    user_key: Secret = None
    user_key_file: SecretFile = None
    token: Secret = None
    token_file: SecretFile = None
    title: str = '{{ template "pushover.default.title" . }}'
    message: str = '{{ template "pushover.default.message" . }}'
    url: str = '{{ template "pushover.default.url" . }}'
    url_title: str = ""
    device: str = ""
    sound: str = ""
    priority: str = '{{ if eq .Status "firing" }}2{{ else }}0{{ end }}'
    retry: GoDurationMs = 60_000
    expire: GoDurationMs = 3_600_000
    ttl: GoDurationMs = 0
    html: bool = False
    monospace: bool = False

    @model_validator(mode="after")
    def _has_one_of_each(self) -> PushoverConfig:
        exactly_one(user_key=self.user_key, user_key_file=self.user_key_file)
        exactly_one(token=self.token, token_file=self.token_file)
        only_one(html=self.html, monospace=self.monospace)
        return self
