"""Tokens of OAuth 2.0, fetched with client credentials (RFC 6749, section 4.4)."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import aiohttp
import orjson
from pydantic import SecretStr

from tocsin.alerts import DeliveryError
from tocsin.config.alertmanager import OAuth2
from tocsin.config.http import BasicAuth, authorization_header
from tocsin.notify.errors import RefusalError
from tocsin.notify.secrets import Secrets
from tocsin.notify.session import Session, fault_text

_LEEWAY_S: Final = 10.0
"""How long before its end a token is no longer used, as in Go's library."""

_TIMEOUT_S: Final = 30.0


class TokenSource:
    """Gives the token that is valid now."""

    def __init__(self, config: OAuth2, secrets: Secrets) -> None:
        self._config = config
        self._secrets = secrets
        self._session = Session(config, config.tls_config)
        self._lock = asyncio.Lock()
        self._token = ""
        self._expires_s = float("inf")

    async def header(self) -> str:
        """The content of the header Authorization; raises DeliveryError when there is no token."""
        async with self._lock:
            if not self._token or time.monotonic() >= self._expires_s - _LEEWAY_S:
                await self._fetch()
            return self._token

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _fetch(self) -> None:
        config = self._config
        client_secret = self._secrets.read(config.client_secret, config.client_secret_file)
        form = {"grant_type": "client_credentials", **config.endpoint_params}
        if config.scopes:
            form["scope"] = " ".join(config.scopes)
        user = BasicAuth(username=config.client_id, password=SecretStr(client_secret))
        headers = list(authorization_header(user, None).items())
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._session.request(
                    "POST", config.token_url, headers, data=form, allow_redirects=False
                ) as response,
            ):
                body = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = self._secrets.scrub(fault_text(error))
            raise DeliveryError(f"no token of OAuth 2.0: {reason}", is_retryable=True) from None
        if response.status // 100 != 2:
            raise RefusalError(
                f"no token of OAuth 2.0: the server answered {response.status} {response.reason}",
                response.status,
                is_retryable=response.status >= 500 or response.status == 429,
            )
        self._take(body)

    def _take(self, body: bytes) -> None:
        try:
            answer: dict[str, Any] = orjson.loads(body)
            token, lasts_s = str(answer["access_token"]), float(answer.get("expires_in") or "inf")
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            message = "no token of OAuth 2.0: the answer has no access_token"
            raise DeliveryError(message, is_retryable=False) from None
        self._secrets.add(token)
        self._token = f"{answer.get('token_type') or 'Bearer'} {token}"
        self._expires_s = time.monotonic() + lasts_s
