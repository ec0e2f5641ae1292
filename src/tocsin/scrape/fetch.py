"""One HTTP request to a target: bounded in time and size, whatever the other side does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import httpx

from tocsin._version import __version__
from tocsin.config.http import authorization_header, secret
from tocsin.config.scrape import ScrapeConfig, ScrapeProtocol, TlsConfig, TlsVersion
from tocsin.errors import ConfigError, ParseError, SizeLimitError, TocsinError
from tocsin.model import format_duration_ms
from tocsin.scrape.compression import GzipReader
from tocsin.scrape.openmetrics import OpenMetricsFormat
from tocsin.scrape.text import TextFormat

_MEDIA_TYPES: Final = {
    ScrapeProtocol.OPENMETRICS: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    ScrapeProtocol.OPENMETRICS_OLD: "application/openmetrics-text;version=0.0.1",
    ScrapeProtocol.TEXT_UTF8: "text/plain;version=1.0.0;escaping=allow-utf-8",
    ScrapeProtocol.TEXT: "text/plain;version=0.0.4",
}
_TLS_VERSIONS: Final = {
    TlsVersion.TLS10: ssl.TLSVersion.TLSv1,
    TlsVersion.TLS11: ssl.TLSVersion.TLSv1_1,
    TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3,
}
_MAX_REDIRECTS: Final = 10
_OK: Final = 200

# A target that sends more than this without a body_size_limit is broken; Prometheus would try to hold it.
_DEFAULT_LIMIT_BYTES: Final = 512 * 1024 * 1024


class ScrapeError(TocsinError):
    """A target could not be scraped."""


class Body(NamedTuple):
    """The answer of a target."""

    text_format: TextFormat | OpenMetricsFormat
    content: bytes


def accept_header(protocols: tuple[ScrapeProtocol, ...]) -> str:
    """The header that asks for formats in the order of preference, as Prometheus 3 writes it.

    >>> accept_header((ScrapeProtocol.TEXT,))
    'text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
    """
    known = [_MEDIA_TYPES[protocol] for protocol in protocols if protocol in _MEDIA_TYPES]
    rated = [f"{media};q=0.{len(known) + 1 - place}" for place, media in enumerate(known)]
    return ",".join([*rated, "*/*;q=0.1"])


def choose_format(content_type: str, fallback: ScrapeProtocol | None) -> type[TextFormat | OpenMetricsFormat]:
    """The format of an answer; raises ScrapeError when its type is none of metrics and no fallback is set."""
    media_type = content_type.partition(";")[0].strip().lower()
    for text_format in (OpenMetricsFormat, TextFormat):
        if media_type == text_format.media_type:
            return text_format
    if fallback is None or fallback is ScrapeProtocol.PROTOBUF:
        shown = f'"{content_type}"' if content_type else "missing"
        raise ScrapeError(
            f"the Content-Type of the answer is {shown}, which is no text format of metrics "
            "(set fallback_scrape_protocol: PrometheusText0.0.4 to read it as one)"
        )
    openmetrics = {ScrapeProtocol.OPENMETRICS, ScrapeProtocol.OPENMETRICS_OLD}
    return OpenMetricsFormat if fallback in openmetrics else TextFormat


class Fetcher:
    """Fetches from the targets of one resolved job; close it at the end.

    Raises ConfigError when a file of ``tls_config`` cannot be used.
    """

    def __init__(self, config: ScrapeConfig) -> None:
        self._config = config
        self._limit_bytes = config.body_size_limit or _DEFAULT_LIMIT_BYTES
        self._client = httpx.AsyncClient(
            verify=ssl_context(config.tls_config),
            trust_env=False,
            follow_redirects=config.follow_redirects,
            max_redirects=_MAX_REDIRECTS,
            timeout=None,  # noqa: S113 - the whole request has one
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=None,
                keepalive_expiry=2 * config.interval_ms / 1000,
            ),
            headers={
                "Accept": accept_header(config.scrape_protocols),
                "Accept-Encoding": "gzip" if config.enable_compression else "identity",
                "User-Agent": f"tocsin/{__version__}",
            },
        )

    async def fetch(self, url: str, timeout_ms: int) -> Body:
        """The answer to one GET. Raises ScrapeError with one sentence, at the latest after the timeout."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await self._fetch(url, timeout_ms)
        except TimeoutError:
            raise ScrapeError(f"no complete answer within {format_duration_ms(timeout_ms)}") from None
        except httpx.TooManyRedirects:
            raise ScrapeError(f"more than {_MAX_REDIRECTS} redirects") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ScrapeError(f"cannot reach {url}: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _fetch(self, url: str, timeout_ms: int) -> Body:
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": f"{timeout_ms / 1000:g}", **self._credentials()}
        extensions = {"sni_hostname": name} if (name := self._config.tls_config.server_name) else {}
        request = self._client.stream("GET", url, headers=headers, extensions=extensions)
        async with request as response:
            if response.status_code != _OK:
                raise ScrapeError(f"the server answered with HTTP status {response.status_code}")
            text_format = choose_format(
                response.headers.get("content-type", ""), self._config.fallback_scrape_protocol
            )
            return Body(text_format(), await self._read(response))

    async def _read(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip"}:
            raise ScrapeError(f'the answer has the Content-Encoding "{encoding}" (gzip was offered)')
        try:
            return await _bounded(response, self._limit_bytes, is_gzip=encoding != "identity")
        except SizeLimitError:
            raise ScrapeError(
                f"the answer is larger than body_size_limit ({self._limit_bytes} bytes)"
            ) from None
        except ParseError as error:
            raise ScrapeError(error.message) from error

    def _credentials(self) -> Mapping[str, str]:
        config = self._config
        try:
            if token := secret(config.bearer_token, config.bearer_token_file):
                return {"Authorization": f"Bearer {token}"}
            return authorization_header(config.basic_auth, config.authorization)
        except ConfigError as error:
            raise ScrapeError(str(error)) from error


async def _bounded(response: httpx.Response, limit_bytes: int, *, is_gzip: bool) -> bytes:
    reader = GzipReader(limit_bytes)
    parts: list[bytes] = []
    size_bytes = 0
    async for chunk in response.aiter_raw():
        part = reader.feed(chunk) if is_gzip else chunk
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            raise SizeLimitError(limit_bytes)
        parts.append(part)
    if is_gzip:
        reader.finish()
    return b"".join(parts)


@cache
def _default_ssl_context() -> ssl.SSLContext:
    """The machine's trust store, which takes a while to load."""
    return ssl.create_default_context()


def ssl_context(config: TlsConfig) -> ssl.SSLContext:
    """The TLS settings of a job; raises ConfigError when a file cannot be used."""
    if config == TlsConfig():
        return _default_ssl_context()
    try:
        context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
        if config.cert_file and config.key_file:
            context.load_cert_chain(config.cert_file, config.key_file)
    except OSError as error:
        raise ConfigError(f"tls_config names a file that cannot be used: {error}") from error
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.min_version:
        context.minimum_version = _TLS_VERSIONS[config.min_version]
    if config.max_version:
        context.maximum_version = _TLS_VERSIONS[config.max_version]
    return context
