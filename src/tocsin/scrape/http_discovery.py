"""``http_sd_configs``: an HTTP server that says in JSON which targets there are.

Source: prometheus.io/docs/prometheus/latest/http_sd.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import httpx

from tocsin._version import __version__
from tocsin.config.http import authorization_header
from tocsin.config.scrape import HttpDiscoveryConfig, TargetGroup
from tocsin.errors import ConfigError
from tocsin.scrape.fetch import ssl_context
from tocsin.scrape.groups import parse_json_groups
from tocsin.scrape.polled_discovery import PolledDiscovery

TIMEOUT_S: Final = 10.0
MAX_BODY_BYTES: Final = 32 << 20
_MEDIA_TYPE: Final = "application/json"
_OK: Final = 200


class HttpDiscovery(PolledDiscovery):
    """One entry of ``http_sd_configs``.

    Raises ConfigError when a file of its ``tls_config`` cannot be used.
    """

    def __init__(self, config: HttpDiscoveryConfig, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(config.url, config.refresh_interval, now_s)
        self._config = config
        self._ssl_context = ssl_context(config.tls_config)

    def ask(self) -> list[TargetGroup]:
        """The groups that the server names; raises ConfigError with one sentence when it does not."""
        url = self._config.url
        try:
            with self._client() as client, client.stream("GET", url, headers=self._headers()) as response:
                content = _read(response, url)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ConfigError(f"cannot reach {url}: {str(error) or type(error).__name__}") from error
        return [
            group.model_copy(update={"labels": {"__meta_url": url, **group.labels}})
            for group in parse_json_groups(content, url)
        ]

    def _client(self) -> httpx.Client:
        return httpx.Client(
            verify=self._ssl_context,
            trust_env=False,
            follow_redirects=self._config.follow_redirects,
            timeout=TIMEOUT_S,
        )

    def _headers(self) -> Mapping[str, str]:
        return {
            "Accept": _MEDIA_TYPE,
            "User-Agent": f"tocsin/{__version__}",
            "X-Prometheus-Refresh-Interval-Seconds": f"{self._config.refresh_interval / 1000:g}",
            **authorization_header(self._config.basic_auth, self._config.authorization),
        }


def _read(response: httpx.Response, url: str) -> bytes:
    if response.status_code != _OK:
        raise ConfigError(f"{url} answered with HTTP status {response.status_code}")
    content_type = response.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise ConfigError(f'{url} answered with the Content-Type "{content_type}", not {_MEDIA_TYPE}')
    content = b""
    for part in response.iter_bytes():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise ConfigError(f"{url} answered with more than {MAX_BODY_BYTES >> 20} MiB")
    return content
