"""A request to a URL that raises an alarm when requests stop coming."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from tocsin.alerts import Notification
from tocsin.config.drills import HeartbeatConfig
from tocsin.notify.http import HttpClient, Request
from tocsin.notify.secrets import Secrets


class PingChannel:
    """Asks for a URL, whatever there is to tell. Raises ConfigError when a file of TLS cannot be used."""

    integration: ClassVar[str] = "url"
    send_resolved: ClassVar[bool] = False

    def __init__(self, config: HeartbeatConfig) -> None:
        self._config = config
        self._secrets = Secrets(config)
        self._http = HttpClient(config.http_config, self._secrets, config.timeout)

    async def notify(self, _notification: Notification, timeout_s: float | None = None) -> None:
        """Ask once; raises DeliveryError unless the answer is 2xx, and TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._ask()

    async def _ask(self) -> None:
        url = self._secrets.read(self._config.url, self._config.url_file)
        self._secrets.add(url)
        answer = await self._http.send(Request(url, method=self._config.method))
        if not answer.is_success:
            raise self._http.refusal(answer, is_retryable=True)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
