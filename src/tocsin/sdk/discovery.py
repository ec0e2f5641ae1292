"""Where to send: the server that was named, or the one that runs on this machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tocsin.errors import ConfigError
from tocsin.runtime import announced

LOOK_EVERY_S: Final = 3.0


class Destination:
    """The base URL of the server to push to.

    ``url``, else ``TOCSIN_URL``, else the newest ``tocsin up`` of this user on this machine, which is
    looked for every few seconds, so that one that starts or restarts later is found as well. Raises
    ConfigError when the URL named is not one.
    """

    def __init__(self, url: str | None = None, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        named = url or os.environ.get("TOCSIN_URL", "")
        self.is_named = bool(named)
        self._monotonic_s = monotonic_s
        self._candidates = [checked_url(named)] if named else []
        self._look_at_s = 0.0

    def current(self) -> str | None:
        """The URL to send to now, or None when there is no server."""
        if not self.is_named and self._monotonic_s() >= self._look_at_s:
            self._look_at_s = self._monotonic_s() + LOOK_EVERY_S
            self._keep_order(running_servers())
        return self._candidates[0] if self._candidates else None

    def failed(self) -> None:
        """The current server cannot be reached: try another, when there is one, the next time."""
        self._candidates = self._candidates[1:] + self._candidates[:1]

    def _keep_order(self, found: list[str]) -> None:
        if set(found) != set(self._candidates):
            self._candidates = found


def checked_url(url: str) -> str:
    """The base URL without a slash at its end.

    Raises ConfigError when it is not an ``http`` or ``https`` URL with a host.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if is_usable and "@" in parts.netloc:
        raise ConfigError(f"the URL of {parts.hostname} must not hold a user name or password")
    if not is_usable:
        raise ConfigError(f'cannot send to "{url}" (allowed are URLs such as http://127.0.0.1:8627)')
    return url.rstrip("/")


def running_servers() -> list[str]:
    """The base URLs of every ``tocsin up`` of this user on this machine, the newest first."""
    urls = [_url_in(path) for path in announced("servers")]
    return [url for url in urls if url is not None]


def _url_in(path: Path) -> str | None:
    try:
        return checked_url(json.loads(path.read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError):
        return None
