"""Channels and levels as receivers: one for each channel, and one for each set that is told together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.config.alertmanager import (
    AppriseConfig,
    ChannelConfig,
    DiscordConfig,
    EmailConfig,
    MsteamsConfig,
    MsteamsV2Config,
    OpsgenieConfig,
    PagerdutyConfig,
    ReceiverConfig,
    SlackConfig,
    TelegramConfig,
    WebhookConfig,
)
from tocsin.config.short.alerts import AlertsConfig, Level
from tocsin.config.short.channels import NOBODY

_KEYS: Final[Mapping[type[ChannelConfig], str]] = {
    AppriseConfig: "apprise_configs",
    DiscordConfig: "discord_configs",
    EmailConfig: "email_configs",
    MsteamsConfig: "msteams_configs",
    MsteamsV2Config: "msteamsv2_configs",
    OpsgenieConfig: "opsgenie_configs",
    PagerdutyConfig: "pagerduty_configs",
    SlackConfig: "slack_configs",
    TelegramConfig: "telegram_configs",
    WebhookConfig: "webhook_configs",
}
"""Where in a receiver the configuration of a channel stands."""


class ReceiverBook:
    """The receivers that short forms need. Each channel has one of its own name, for other sections to name.

    >>> from tocsin.config.short.alerts import AlertsConfig
    >>> url = {"url": "http://127.0.0.1:9000/"}
    >>> alerts = AlertsConfig(channels={"webhook": url, "pager": {"type": "webhook", **url}})
    >>> ReceiverBook(alerts).name_of("high")
    'webhook/pager'
    """

    def __init__(self, alerts: AlertsConfig) -> None:
        self._alerts = alerts
        self._receivers: dict[str, ReceiverConfig] = {}
        for name in alerts.channels:
            self._add(name, (name,), None)

    @property
    def receivers(self) -> tuple[ReceiverConfig, ...]:
        """All that are needed so far."""
        return tuple(self._receivers.values())

    def name_of(self, level: Level, channels: Sequence[str] | None = None) -> str:
        """The receiver for alerts of a level, by the channels of the level unless others are given."""
        settings = self._alerts.level(level)
        names = (settings.channels or ()) if channels is None else tuple(channels)
        if not names:
            return self.nobody()
        prefix = f"{level}: " if settings.message_template else ""
        return self._add(prefix + "/".join(names), names, settings.message_template)

    def nobody(self) -> str:
        """The receiver that has no channel."""
        return self._add(NOBODY, (), None)

    def _add(self, name: str, channels: Sequence[str], message: str | None) -> str:
        if name not in self._receivers:
            parts: dict[str, tuple[ChannelConfig, ...]] = {}
            for channel in channels:
                config = self._alerts.channels[channel].config(message)
                key = _KEYS[type(config)]
                parts[key] = (*parts.get(key, ()), config)
            self._receivers[name] = ReceiverConfig.model_validate({"name": name, **parts})
        return name
