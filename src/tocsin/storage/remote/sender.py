"""One request of remote write 1.0: sent, and its answer judged.

Source: prometheus.io/docs/specs/prw/remote_write_spec. A request that failed with 5xx or 429, or without an
answer, is to be sent again; any other failure is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

from tocsin.errors import StorageError
from tocsin.storage.remote.connection import Connection, one_line, public_address, reason_of

_HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_TOO_MANY: Final = 429
_ABOUT_SAMPLES: Final = frozenset({400, 413, 415, 422})


class UnreachableError(StorageError):
    """The engine did not take a request now, but may later; ``after_s`` is how long it asked to wait."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class RefusedError(StorageError):
    """The engine will never take this request: for its samples, or else for who asks and where."""

    def __init__(self, message: str, *, blames_samples: bool = True) -> None:
        super().__init__(message)
        self.blames_samples = blames_samples


class RequestSender:
    """Posts encoded requests to one engine. Close it at the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.address = public_address(connection.write_url)
        self._client = httpx.AsyncClient(
            verify=connection.ssl_context,
            trust_env=False,
            follow_redirects=False,
            timeout=connection.timeout_s,
        )

    async def send(self, body: bytes) -> None:
        """Send one request; returns when the engine has taken it.

        Raises UnreachableError when it is worth another attempt, RefusedError when it is not.
        """
        try:
            response = await self._client.post(
                self._connection.write_url,
                content=body,
                headers={**_HEADERS, **self._connection.request_headers()},
                extensions=self._connection.extensions,
            )
        except httpx.TimeoutException as error:
            timeout_s = self._connection.timeout_s
            raise UnreachableError(f"{self.address} took no samples within {timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise UnreachableError(f"cannot reach {self.address}: {reason_of(error)}") from error
        if not response.is_success:
            raise _failure(self.address, response)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def _failure(address: str, response: httpx.Response) -> StorageError:
    reason = one_line(response.text) or response.reason_phrase
    message = f"{address} did not take samples (HTTP status {response.status_code}): {reason}"
    if response.is_server_error or response.status_code == _TOO_MANY:
        return UnreachableError(message, _retry_after_s(response.headers))
    return RefusedError(message, blames_samples=response.status_code in _ABOUT_SAMPLES)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """The wait that the engine asks for; a date instead of a number counts as none."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
