"""HTTP requests of channels: authorization, errors, and nothing secret in a log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from tocsin.alerts import DeliveryError
from tocsin.config.http import Authorization, BasicAuth, authorization_header, secret
from tocsin.errors import ConfigError

_TIMEOUT_S: Final = 30.0

# These two write the whole address of each request, whose path is often a secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def make_client(*, follow_redirects: bool = True, timeout_ms: int = 0) -> httpx.AsyncClient:
    """A client for one receiver, which ignores the environment's proxies; a timeout of 0 means 30 s."""
    timeout_s = timeout_ms / 1000 if timeout_ms else _TIMEOUT_S
    return httpx.AsyncClient(
        trust_env=False,
        follow_redirects=follow_redirects,
        timeout=httpx.Timeout(timeout_s),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
    )


async def post_json(
    client: httpx.AsyncClient,
    url: str,
    body: bytes,
    basic_auth: BasicAuth | None = None,
    authorization: Authorization | None = None,
) -> None:
    """Post; raises DeliveryError for all but an answer 2xx, retryable for 5xx and when there is no answer.

    Secrets that stand in files are read anew each time.
    """
    headers = {"Content-Type": "application/json", **_credentials(basic_auth, authorization)}
    try:
        response = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        reason = str(error) or type(error).__name__
        raise DeliveryError(f"{public_address(url)}: {reason}", is_retryable=True) from None
    if not response.is_success:
        message = f"{public_address(url)} answered {response.status_code} {response.reason_phrase}"
        raise DeliveryError(message, is_retryable=response.is_server_error)


def public_address(url: str) -> str:
    """The part of a URL that is no secret: scheme, host and port.

    >>> public_address("https://user:word@hooks.example.com/services/T000/B000")
    'https://hooks.example.com'
    """
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def read_secret(value: SecretStr | None, file: Path | None) -> str:
    """A secret that is given, or stands in a file; raises DeliveryError when that cannot be read."""
    try:
        return secret(value or SecretStr(""), file)
    except ConfigError as error:
        raise DeliveryError(str(error), is_retryable=True) from error


def _credentials(basic_auth: BasicAuth | None, authorization: Authorization | None) -> Mapping[str, str]:
    try:
        return authorization_header(basic_auth, authorization)
    except ConfigError as error:
        raise DeliveryError(str(error), is_retryable=True) from error
