"""HTTP requests of channels: how they are made, what answers mean, and nothing secret in a log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from tocsin.alerts import DeliveryError
from tocsin.config.alertmanager import HttpConfig
from tocsin.config.alertmanager.http import is_http_url
from tocsin.config.http import authorization_header
from tocsin.errors import ConfigError
from tocsin.notify.errors import RefusalError
from tocsin.notify.oauth2 import TokenSource
from tocsin.notify.secrets import Secrets, read_secret
from tocsin.notify.session import Session, fault_text

__all__ = ["Answer", "HttpClient", "Request", "public_address", "read_secret"]

_TIMEOUT_S: Final = 30.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_MAX_DETAIL_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; the address, headers and body may hold secrets, so none of them is shown."""

    url: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, no more than 64 KiB of it."""

    address: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2

    def json(self) -> dict[str, Any]:
        """The JSON object in the body, empty when it has none."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}

    def retry_after_s(self, now_ms: int) -> float | None:
        """How long the header Retry-After asks to wait: seconds, or until a date (RFC 9110)."""
        return parse_retry_after(self.headers.get("retry-after", ""), now_ms)


def parse_retry_after(text: str, now_ms: int) -> float | None:
    """The header Retry-After in seconds from now; None when it is absent or unreadable.

    >>> parse_retry_after("120", 0), parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 0)
    (120.0, 60.0)
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() - now_ms / 1000)


class HttpClient:
    """Makes the requests of one channel as its ``http_config`` says; close it at the end.

    A ``timeout_ms`` of 0 means 30 s. Raises ConfigError when a file of ``tls_config`` cannot be used.
    """

    def __init__(self, config: HttpConfig, secrets: Secrets, timeout_ms: int = 0) -> None:
        self._config = config
        self._secrets = secrets
        self._timeout_s = timeout_ms / 1000 or _TIMEOUT_S
        self._session = Session(config, config.tls_config)
        self._tokens = TokenSource(config.oauth2, secrets) if config.oauth2 else None

    async def send(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises DeliveryError, retryable, when there is none."""
        address = public_address(request.url)
        if not is_http_url(request.url):
            raise DeliveryError("the address is not a URL of http or https", is_retryable=False)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(request, address)
        except TimeoutError:
            raise DeliveryError(
                f"{address}: no answer within {self._timeout_s:g}s", is_retryable=True
            ) from None
        except aiohttp.InvalidURL:
            raise DeliveryError("the address is not a URL of http or https", is_retryable=False) from None
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError(f"{address}: {self._reason(error)}", is_retryable=True) from None
        except ValueError as error:
            # A header that holds a line break, for example.
            message = f"{address}: the request cannot be sent: {self._reason(error)}"
            raise DeliveryError(message, is_retryable=False) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        if self._tokens:
            await self._tokens.close()

    def _reason(self, error: Exception) -> str:
        return self._secrets.scrub(fault_text(error))

    async def _send(self, request: Request, address: str) -> Answer:
        headers = [*self._own_headers(), *(await self._credentials()).items()]
        headers += [("Content-Type", request.content_type), *request.headers.items()]
        async with self._session.request(
            request.method,
            request.url,
            headers,
            data=request.body,
            allow_redirects=self._config.follow_redirects,
        ) as response:
            body = b""
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) >= _MAX_ANSWER_BYTES:
                    response.close()  # The rest may have no end.
                    break
        answer = body[:_MAX_ANSWER_BYTES]
        return Answer(address, response.status, response.reason or "", response.headers, answer)

    def _own_headers(self) -> list[tuple[str, str]]:
        """Those of ``http_headers``."""
        headers: list[tuple[str, str]] = []
        for header in self._config.http_headers:
            secrets = (value.get_secret_value() for value in header.secrets)
            files = (self._secrets.read(None, file) for file in header.files)
            headers += [(header.name, value) for value in (*header.values, *secrets, *files)]
        return headers

    async def _credentials(self) -> Mapping[str, str]:
        if self._tokens is not None:
            return {"Authorization": await self._tokens.header()}
        try:
            headers = authorization_header(self._config.basic_auth, self._config.authorization)
        except ConfigError as error:
            raise DeliveryError(str(error), is_retryable=True) from error
        for value in headers.values():
            self._secrets.add(value.partition(" ")[2])
        return headers

    def refusal(
        self,
        answer: Answer,
        *,
        is_retryable: bool,
        detail: str = "",
        retry_after_s: float | None = None,
    ) -> RefusalError:
        """What is wrong with an answer, in one sentence without secrets; a detail stands for the body."""
        shown = detail or answer.body.decode(errors="replace")
        shown = " ".join(self._secrets.scrub(shown).split())[:_MAX_DETAIL_CHARACTERS]
        message = f"{answer.address} answered {answer.status} {answer.reason}"
        return RefusalError(
            f"{message}: {shown}" if shown else message,
            answer.status,
            is_retryable=is_retryable,
            retry_after_s=retry_after_s,
        )


def public_address(url: str) -> str:
    """The part of a URL that is no secret: scheme, host and port.

    >>> public_address("https://user:word@hooks.example.com/services/T000/B000")
    'https://hooks.example.com'
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the address"
    return f"{parts.scheme}://{parts.hostname}{port}"
