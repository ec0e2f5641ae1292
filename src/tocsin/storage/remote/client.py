"""Questions to Prometheus' HTTP API, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import httpx
import orjson

from tocsin.errors import (
    QueryCancelledError,
    QueryError,
    QueryLimitError,
    QuerySyntaxError,
    StorageError,
    TocsinError,
)
from tocsin.storage.remote.connection import Connection, one_line, public_address, reason_of

Form: TypeAlias = Mapping[str, str | Sequence[str]]

_MAX_ANSWER_BYTES: Final = 512 << 20
_ATTEMPTS: Final = 2
_SUCCESS: Final = 200
_EXPLAINED: Final = frozenset({400, 422, 503})

# VictoriaMetrics gives the HTTP status as errorType.
_ERRORS: Final[Mapping[str, type[TocsinError]]] = {
    "bad_data": QuerySyntaxError,
    "400": QuerySyntaxError,
    "execution": QueryError,
    "422": QueryError,
    "timeout": QueryLimitError,
    "canceled": QueryCancelledError,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: its ``data``, and what it says beside it."""

    data: Any
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


class QueryClient:
    """Asks an engine; one client serves any number of threads. Close it at the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.address = public_address(connection.query_url)
        self._client = httpx.Client(
            verify=connection.ssl_context,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        )

    def ask(
        self,
        path: str,
        form: Form,
        *,
        timeout_s: float | None = None,
        cancelled: threading.Event | None = None,
    ) -> Answer:
        """Post a form below ``/api/v1/`` and read the answer.

        Raises QueryError or one of its kinds when the engine cannot answer this question,
        QueryCancelledError when ``cancelled`` is set meanwhile, and StorageError when the engine does not
        answer at all.
        """
        return self._read("POST", path, form, timeout_s, cancelled)

    def get(self, path: str) -> Answer:
        """Ask for what takes no form; raises as :meth:`ask` does."""
        return self._read("GET", path, {}, None, None)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _read(
        self, method: str, path: str, form: Form, timeout_s: float | None, cancelled: threading.Event | None
    ) -> Answer:
        timeout_s = timeout_s or self._connection.timeout_s
        try:
            status, body = self._exchange(method, path, form, timeout_s, cancelled)
        except httpx.TimeoutException as error:
            raise StorageError(f"{self.address} did not answer within {timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise StorageError(f"cannot reach {self.address}: {reason_of(error)}") from error
        return _answer(self.address, status, body)

    def _exchange(
        self, method: str, path: str, form: Form, timeout_s: float, cancelled: threading.Event | None
    ) -> tuple[int, bytes]:
        """Ask, and once more if a connection that was kept alive turns out to be closed."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._stream(method, path, form, timeout_s, cancelled)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _stream(
        self, method: str, path: str, form: Form, timeout_s: float, cancelled: threading.Event | None
    ) -> tuple[int, bytes]:
        request = self._client.stream(
            method,
            f"{self._connection.query_url}/api/v1/{path}",
            data=dict(form) if form else None,
            headers=self._connection.request_headers(),
            extensions=self._connection.extensions,
            timeout=timeout_s,
        )
        parts: list[bytes] = []
        size_bytes = 0
        with request as response:
            for part in response.iter_bytes():
                parts.append(part)
                size_bytes += len(part)
                _check(size_bytes, cancelled)
            return response.status_code, b"".join(parts)


def _check(size_bytes: int, cancelled: threading.Event | None) -> None:
    if cancelled is not None and cancelled.is_set():
        raise QueryCancelledError("query was canceled while its answer arrived")
    if size_bytes > _MAX_ANSWER_BYTES:
        raise QueryLimitError(f"the answer is larger than {_MAX_ANSWER_BYTES} bytes; narrow the selectors")


def _answer(address: str, status: int, body: bytes) -> Answer:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if status == _SUCCESS and isinstance(content, dict) and content.get("status") == "success":
        texts = (tuple(map(str, content.get(key) or ())) for key in ("warnings", "infos"))
        return Answer(content.get("data"), *texts)
    raise _failure(address, status, content, body)


def _failure(address: str, status: int, content: Any, body: bytes) -> TocsinError:
    if isinstance(content, dict) and "error" in content:
        reason = one_line(str(content["error"]))
        kind = _ERRORS.get(str(content.get("errorType")))
        if kind is not None and status in _EXPLAINED:
            return kind(reason)
    else:
        reason = one_line(body[:4096].decode(errors="replace"))
    if status == _SUCCESS:
        return StorageError(f"{address} does not answer as Prometheus' API does (see query_url): {reason}")
    return StorageError(f"{address} answered HTTP status {status}: {reason or 'without a reason'}")
