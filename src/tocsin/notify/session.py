"""The connections of one client: kept open between requests, through a proxy where one is to be used."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tocsin._version import __version__
from tocsin.config.alertmanager import ProxyConfig
from tocsin.config.scrape import TlsConfig
from tocsin.notify.proxy import Proxies
from tocsin.scrape.fetch import ssl_context

_AUTHORIZATION: Final = "Authorization"


class Session:
    """Makes requests without a time limit, cookies or anything from the environment; close it at the end.

    Connections are opened with the first request. Raises ConfigError when a file of ``tls_config`` cannot
    be used.
    """

    def __init__(self, proxy: ProxyConfig, tls_config: TlsConfig) -> None:
        self._proxies = Proxies.of(proxy)
        self._ssl_context = ssl_context(tls_config)
        self._server_name = tls_config.server_name or None
        self._session: aiohttp.ClientSession | None = None

    def request(
        self, method: str, url: str, headers: list[tuple[str, str]], **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """One request; ``options`` are aiohttp's. Raises ValueError for headers that cannot be sent."""
        if self._session is None:
            # A session belongs to the event loop in which it is made.
            self._session = _opened()
        address, sent = URL(url), CIMultiDict(headers)
        if _AUTHORIZATION in sent:
            address = address.with_user(None)
        proxy = self._proxies.of_url(address)
        return self._session.request(
            method,
            address,
            headers=sent,
            ssl=self._ssl_context,
            server_hostname=self._server_name,
            proxy=proxy,
            proxy_headers=self._proxies.headers if proxy else None,
            **options,
        )

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def fault_text(error: Exception) -> str:
    """Why there is no connection, in the words of the system: of a client's own words only where it has more.

    >>> fault_text(ConnectionResetError(104, "Connection reset by peer"))
    'Connection reset by peer'
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)
    shown = cause.strerror if isinstance(cause, OSError) else None
    return shown or str(cause) or type(cause).__name__


def _opened() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"tocsin/{__version__}"},
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
    )
