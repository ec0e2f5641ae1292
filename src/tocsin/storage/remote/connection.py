"""Where an engine is, and what goes with every request to it."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin._version import __version__
from tocsin.errors import ConfigError, StorageError

MAX_REASON_CHARS: Final = 500
"""How much of what an engine says about a failure is passed on."""

# These two write whole addresses, whose path or query may be a secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Connection:
    """An engine that takes remote write at ``write_url`` and answers Prometheus' API below ``query_url``.

    ``headers`` gives what is sent along and is asked each time, so that a secret can be exchanged; it
    raises ConfigError when one cannot be read. ``server_name`` is the name that the certificate must
    bear, if it is not the host's. ``timeout_s`` bounds a write, retries included.
    """

    write_url: str
    query_url: str
    ssl_context: ssl.SSLContext
    headers: Callable[[], Mapping[str, str]] = dict
    server_name: str = ""
    timeout_s: float = 30.0

    def request_headers(self) -> dict[str, str]:
        """The headers of a request; raises StorageError when a secret cannot be read."""
        try:
            return {"User-Agent": f"tocsin/{__version__}", **self.headers()}
        except ConfigError as error:
            raise StorageError(str(error)) from error

    @property
    def extensions(self) -> dict[str, Any]:
        """What httpx is told beside the request."""
        return {"sni_hostname": self.server_name} if self.server_name else {}


def public_address(url: str) -> str:
    """The part of a URL that is no secret: scheme, host and port.

    >>> public_address("https://user:word@metrics.example.com/tenant/token/api/v1/write")
    'https://metrics.example.com'
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def reason_of(error: Exception) -> str:
    """What an exception says, or else its name."""
    return str(error) or type(error).__name__


def one_line(text: str) -> str:
    """The beginning of a text without line breaks."""
    return " ".join(text.split())[:MAX_REASON_CHARS]
