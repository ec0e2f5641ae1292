"""The keys of a Telegram receiver."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import model_validator

from tocsin.config.alertmanager.channel import HttpChannelConfig
from tocsin.config.alertmanager.http import HttpUrl
from tocsin.config.alertmanager.values import Secret, SecretFile, only_one
from tocsin.config.go_duration import GoDurationMs

TELEGRAM_API_URL: Final = "https://api.telegram.org"
"""Telegram's own servers."""


class TelegramConfig(HttpChannelConfig):
    """A bot and the chat that it writes to; in a loaded file the token is always known."""

    api_url: HttpUrl = TELEGRAM_API_URL
    bot_token: Secret = None
    bot_token_file: SecretFile = None
    chat_id: int = 0
    chat_id_file: SecretFile = None
    message_thread_id: int = 0
    message: str = '{{ template "telegram.default.message" . }}'
    disable_notifications: bool = False
    parse_mode: Literal["", "HTML", "Markdown", "MarkdownV2"] = "HTML"
    timeout: GoDurationMs = 0

    @model_validator(mode="after")
    def _has_one_chat(self) -> TelegramConfig:
        only_one(bot_token=self.bot_token, bot_token_file=self.bot_token_file)
        only_one(chat_id=self.chat_id, chat_id_file=self.chat_id_file)
        if not self.chat_id and not self.chat_id_file:
            raise ValueError("a chat_id or a chat_id_file is needed")
        return self


def complete_telegram(config: TelegramConfig) -> TelegramConfig:
    """A configuration that has a token; raises ValueError when it has none."""
    if not config.bot_token and not config.bot_token_file:
        raise ValueError("no bot_token: set it here, or telegram_bot_token in global")
    return config
