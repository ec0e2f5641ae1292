"""What the configurations of all channels have in common."""

from __future__ import annotations

from tocsin.config.alertmanager.http import HttpConfig
from tocsin.config.model import ConfigModel


class ChannelConfig(ConfigModel):
    """``send_resolved``: whether the channel is also told when alerts are over."""

    send_resolved: bool = True


class HttpChannelConfig(ChannelConfig):
    """A channel that makes HTTP requests."""

    http_config: HttpConfig = HttpConfig()
