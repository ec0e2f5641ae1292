"""One HTTP request: what a monitor sends, to one address of a server."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

IMPORT_PATH: Final = "/api/v1/import/prometheus"
TEXT: Final = MappingProxyType({"Content-Type": "text/plain; charset=utf-8"})

_ANSWER_BYTES: Final = 65_536
"""As much of an answer is read; a connection with more to say is not used again."""

_WORDS: Final = 200


class Answer(NamedTuple):
    """What a server said; ``retry_after`` is that header, as it came."""

    status: int
    body: bytes = b""
    retry_after: str = ""

    @property
    def words(self) -> str:
        """The first words of the body.

        >>> Answer(400, b"line 3:  no value").words
        'line 3: no value'
        """
        return " ".join(self.body.decode("utf-8", "replace")[:_WORDS].split())


class Transport:
    """Posts to one server at a time over a connection that is kept. It asks no proxy.

    ``path`` stands behind the base URL, and ``headers`` go with every request.
    """

    def __init__(self, path: str = IMPORT_PATH, headers: Mapping[str, str] = TEXT) -> None:
        self._path = path
        self._headers = dict(headers)
        self._base_url = ""
        self._connection: http.client.HTTPConnection | None = None

    def post(self, base_url: str, body: bytes, timeout_s: float) -> Answer:
        """Send a body.

        ``timeout_s`` bounds each wait of the exchange. Raises OSError or
        http.client.HTTPException when no answer came.
        """
        is_used = self._connection is not None and base_url == self._base_url
        try:
            return self._exchange(base_url, body, timeout_s)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            # A server closes connections that were idle; that says nothing about the server.
            if not is_used:
                raise
            return self._exchange(base_url, body, timeout_s)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, base_url: str, body: bytes, timeout_s: float) -> Answer:
        is_done = False
        try:
            connection = self._open(base_url, timeout_s)
            connection.request("POST", self._target(base_url), body, self._headers)
            with connection.getresponse() as response:
                content = response.read(_ANSWER_BYTES)
                is_done = response.isclosed()
            return Answer(response.status, content, response.headers.get("Retry-After", ""))
        finally:
            if not is_done:
                self.close()

    def _target(self, base_url: str) -> str:
        parts = urlsplit(base_url)
        path = f"{parts.path}{self._path}" or "/"
        return f"{path}?{parts.query}" if parts.query else path

    def _open(self, base_url: str, timeout_s: float) -> http.client.HTTPConnection:
        if base_url != self._base_url:
            self.close()
        if self._connection is None:
            parts = urlsplit(base_url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
            self._base_url = base_url
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        return self._connection
