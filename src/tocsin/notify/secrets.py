"""What a channel must never show: its secrets, and how they are kept out of messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

from pydantic import BaseModel, SecretStr

from tocsin.alerts import DeliveryError
from tocsin.config.http import secret
from tocsin.errors import ConfigError

_HIDDEN: Final = "<secret>"
_MIN_LENGTH: Final = 4
"""A shorter text would be found in words, too."""


class Secrets:
    """The secrets of one channel: those of its configuration, and those that were read from files since."""

    def __init__(self, config: BaseModel) -> None:
        self._texts: set[str] = set()
        for text in _secrets_of(config):
            self.add(text)

    def __repr__(self) -> str:
        return f"Secrets({len(self._texts)})"

    def add(self, text: str) -> None:
        """Never show a text; of an address that is all behind the host."""
        parts = _split(text)
        words = (text, parts.path.strip("/"), parts.query, parts.password) if parts else (text,)
        for word in filter(None, words):
            self._texts |= {word, quote(word), quote(word, safe=""), quote_plus(word)}

    def read(self, value: SecretStr | None, file: Path | None) -> str:
        """A secret that is given, or stands in a file; raises DeliveryError when that cannot be read."""
        text = read_secret(value, file)
        if file is not None:
            self.add(text)
        return text

    def scrub(self, text: str) -> str:
        """A text in which no secret is shown."""
        for word in sorted(self._texts, key=len, reverse=True):
            if len(word) >= _MIN_LENGTH:
                text = text.replace(word, _HIDDEN)
        return text


def read_secret(value: SecretStr | None, file: Path | None) -> str:
    """A secret that is given, or stands in a file; raises DeliveryError when that cannot be read."""
    try:
        return secret(value or SecretStr(""), file)
    except ConfigError as error:
        raise DeliveryError(str(error), is_retryable=True) from error


def _split(text: str) -> SplitResult | None:
    """The parts of an address, if it is one."""
    try:
        return urlsplit(text) if "://" in text else None
    except ValueError:
        return None


def _secrets_of(value: Any) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            for name, each in vars(value).items():
                # A proxy's address is no secret, but the password in it is.
                if name == "proxy_url" and (parts := _split(each)) and parts.password:
                    yield parts.password
                yield from _secrets_of(each)
        case Mapping():
            for each in value.values():
                yield from _secrets_of(each)
        case tuple() | list():
            for each in value:
                yield from _secrets_of(each)
