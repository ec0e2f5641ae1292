"""Makes the channels of configured receivers; a new kind of channel is one more line in :data:`CHANNELS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, Self

import httpx

from tocsin.alerts import Channel
from tocsin.config.alerting import ReceiverConfig
from tocsin.model import Clock
from tocsin.notify.http import make_client
from tocsin.notify.metrics import NotifyMetrics
from tocsin.notify.retry import RetryingChannel
from tocsin.notify.webhook import WebhookChannel

CHANNELS: Final[Mapping[str, Callable[[Any, httpx.AsyncClient], Channel]]] = {
    "webhook_configs": WebhookChannel,
}
"""What makes a channel, by the key in a receiver under which its configurations stand."""


class Receivers:
    """The channels of all receivers, and the connections that they use while it is open.

    ::

        async with Receivers(config.receivers, clock, metrics) as receivers:
            dispatcher = Dispatcher(build_route(config.route), receivers.channels, clock, …)
    """

    def __init__(self, configs: Iterable[ReceiverConfig], clock: Clock, metrics: NotifyMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._clients: list[httpx.AsyncClient] = []
        self.channels = {config.name: self._channels_of(config) for config in configs}

    def _channels_of(self, receiver: ReceiverConfig) -> list[Channel]:
        return [
            self._channel(make, config) for key, make in CHANNELS.items() for config in getattr(receiver, key)
        ]

    def _channel(self, make: Callable[[Any, httpx.AsyncClient], Channel], config: Any) -> Channel:
        client = make_client(follow_redirects=config.http_config.follow_redirects, timeout_ms=config.timeout)
        self._clients.append(client)
        return RetryingChannel(make(config, client), self._clock, self._metrics)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            for client in self._clients:
                stack.push_async_callback(client.aclose)
