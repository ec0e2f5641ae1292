"""The keys of a Webex receiver."""

from __future__ import annotations

from typing import Final

from pydantic import model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import HttpUrl
from tocsin.config.alertmanager.values import Text

WEBEX_API_URL: Final = "https://webexapis.com/v1/messages"
"""Webex's own servers."""


class WebexConfig(HttpChannelConfig):
    """A room; the bot's token stands in ``http_config.authorization``, which is needed."""

    api_url: HttpUrl = WEBEX_API_URL
    message: str = '{{ template "webex.default.message" . }}'
    room_id: Text

    @model_validator(mode="after")
    def _has_a_token(self) -> WebexConfig:
        if self.http_config.authorization is None:
            raise ValueError("the bot's token is needed as http_config.authorization.credentials")
        return self
