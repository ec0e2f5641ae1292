"""Makes the channels of configured receivers; a new kind of channel is one more line in :data:`CHANNELS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

from tocsin.alerts import Channel
from tocsin.alerts.dispatcher import named
from tocsin.alerts.drills.watching import WatchedChannel, Watcher
from tocsin.alerts.incidents import AcknowledgingChannel
from tocsin.alerts.notification import Teller
from tocsin.config.alertmanager import ReceiverConfig
from tocsin.config.drills import HeartbeatConfig
from tocsin.errors import ConfigError
from tocsin.model import Clock
from tocsin.notify.apprise import AppriseChannel
from tocsin.notify.channel import ChannelContext, ConfiguredChannel
from tocsin.notify.discord import DiscordChannel
from tocsin.notify.email import EmailChannel
from tocsin.notify.metrics import NotifyMetrics
from tocsin.notify.msteams import MsteamsChannel, MsteamsV2Channel
from tocsin.notify.opsgenie import OpsgenieChannel
from tocsin.notify.pagerduty import PagerdutyChannel
from tocsin.notify.ping import PingChannel
from tocsin.notify.pushover import PushoverChannel
from tocsin.notify.retry import RetryingChannel
from tocsin.notify.slack import SlackChannel
from tocsin.notify.sns import SnsChannel
from tocsin.notify.telegram import TelegramChannel
from tocsin.notify.template import Templates
from tocsin.notify.victorops import VictoropsChannel
from tocsin.notify.webex import WebexChannel
from tocsin.notify.webhook import WebhookChannel
from tocsin.notify.wechat import WechatChannel

CHANNELS: Final[Mapping[str, Callable[[Any, ChannelContext], ConfiguredChannel[Any]]]] = {
    "apprise_configs": AppriseChannel,
    "discord_configs": DiscordChannel,
    "email_configs": EmailChannel,
    "msteams_configs": MsteamsChannel,
    "msteamsv2_configs": MsteamsV2Channel,
    "opsgenie_configs": OpsgenieChannel,
    "pagerduty_configs": PagerdutyChannel,
    "pushover_configs": PushoverChannel,
    "slack_configs": SlackChannel,
    "sns_configs": SnsChannel,
    "telegram_configs": TelegramChannel,
    "victorops_configs": VictoropsChannel,
    "webex_configs": WebexChannel,
    "webhook_configs": WebhookChannel,
    "wechat_configs": WechatChannel,
}
"""What makes a channel, by the key in a receiver under which its configurations stand."""


class Receivers:
    """The channels of all receivers, and the connections that they use while it is open.

    ``templates`` are names of files, in which ``*`` stands for any text; ``watcher`` learns what becomes of
    drills, and ``heartbeat`` gets the channel ``ping`` where it asks for a URL. Raises ConfigError when one
    of the files, or a file of a ``tls_config``, cannot be used, or a package is missing that a channel needs.

    ::

        async with Receivers(config.receivers, clock, metrics, config.templates) as receivers:
            dispatcher = Dispatcher(build_route(config.route), receivers.channels, clock, …)
    """

    def __init__(
        self,
        configs: Iterable[ReceiverConfig],
        clock: Clock,
        metrics: NotifyMetrics,
        templates: Iterable[Path] = (),
        watcher: Watcher | None = None,
        heartbeat: HeartbeatConfig | None = None,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._watcher = watcher
        self._context = ChannelContext(Templates(clock, templates), clock)
        self._made: list[ConfiguredChannel[Any] | PingChannel] = []
        self.acknowledging: dict[str, list[AcknowledgingChannel]] = {}
        """Those that can be told that somebody acts, by receiver."""
        self.ping = self._ping(heartbeat)
        self.channels: dict[str, list[Channel]] = {
            config.name: self._channels_of(config) for config in configs
        }

    def _channels_of(self, receiver: ReceiverConfig) -> list[Channel]:
        channels = [
            self._channel(receiver.name, make, config)
            for key, make in CHANNELS.items()
            for config in getattr(receiver, key)
        ]
        return [RetryingChannel(each, self._clock, self._metrics) for each in self._watched(channels)]

    def _channel(
        self, name: str, make: Callable[[Any, ChannelContext], ConfiguredChannel[Any]], config: Any
    ) -> ConfiguredChannel[Any]:
        try:
            channel = make(config, self._context)
        except ConfigError as error:
            raise ConfigError(f'the receiver "{name}": {error.message}', file=error.file) from error
        self._made.append(channel)
        if isinstance(channel, PagerdutyChannel):
            self.acknowledging.setdefault(name, []).append(channel)
        return channel

    def _ping(self, heartbeat: HeartbeatConfig | None) -> PingChannel | None:
        if heartbeat is None or heartbeat.receiver is not None:
            return None
        try:
            ping = PingChannel(heartbeat)
        except ConfigError as error:
            raise ConfigError(f"heartbeat: {error.message}", file=error.file) from error
        self._made.append(ping)
        return ping

    def _watched(self, channels: Sequence[Teller]) -> Sequence[Teller]:
        watcher = self._watcher
        if watcher is None:
            return channels
        return [WatchedChannel(channel, name, watcher) for name, channel in named(channels)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            for channel in self._made:
                stack.push_async_callback(channel.close)
