"""One HTTP request: text lines to the import address of a server."""

from __future__ import annotations

import http.client
from typing import Final
from urllib.parse import urlsplit

IMPORT_PATH: Final = "/api/v1/import/prometheus"

_ANSWER_BYTES: Final = 65_536
"""As much of an answer is read; a connection with more to say is not used again."""


class Transport:
    """Posts to one server at a time over a connection that is kept. It asks no proxy."""

    def __init__(self) -> None:
        self._base_url = ""
        self._connection: http.client.HTTPConnection | None = None

    def post(self, base_url: str, body: bytes, timeout_s: float) -> tuple[int, str]:
        """Send lines; returns the status and the first words of the answer.

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

    def _exchange(self, base_url: str, body: bytes, timeout_s: float) -> tuple[int, str]:
        is_done = False
        try:
            connection = self._open(base_url, timeout_s)
            path = urlsplit(base_url).path + IMPORT_PATH
            connection.request("POST", path, body, {"Content-Type": "text/plain; charset=utf-8"})
            with connection.getresponse() as response:
                text = response.read(_ANSWER_BYTES).decode("utf-8", "replace")
                is_done = response.isclosed()
            return response.status, " ".join(text[:200].split())
        finally:
            if not is_done:
                self.close()

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
