"""Everything else: the services that Apprise can reach.

Source: github.com/caronc/apprise. It is an extra, loaded only where it is configured.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import warnings
from typing import Any, ClassVar

from tocsin.alerts import DeliveryError, Notification
from tocsin.config.alertmanager import AppriseConfig
from tocsin.errors import ConfigError
from tocsin.gotemplate import TemplateError
from tocsin.notify.channel import ChannelContext, ConfiguredChannel

# They write addresses, which hold secrets.
for _name in ("apprise", "urllib3.connectionpool", "requests"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class AppriseChannel(ConfiguredChannel[AppriseConfig]):
    """Sends through Apprise. Raises ConfigError when it is not installed."""

    integration: ClassVar[str] = "apprise"

    def __init__(self, config: AppriseConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._apprise = _load()

    async def notify(self, notification: Notification) -> None:
        """Send once; raises DeliveryError when that does not succeed."""
        url = self.secrets.read(self.config.url, self.config.url_file)
        service = url.partition("://")[0]
        try:
            title, body = await asyncio.to_thread(self._texts, notification)
        except TemplateError as error:
            raise DeliveryError(str(error), is_retryable=False) from error
        sender = self._apprise.Apprise()
        if not sender.add(url):
            raise DeliveryError(
                f'apprise: an address of the kind "{service}" is not understood', is_retryable=False
            )
        kind = self._apprise.NotifyType.FAILURE
        if notification.status == "resolved":
            kind = self._apprise.NotifyType.SUCCESS
        if not await sender.async_notify(body=body, title=title, notify_type=kind):
            raise DeliveryError(f'apprise: the service "{service}" did not take it', is_retryable=True)

    def _texts(self, notification: Notification) -> tuple[str, str]:
        expander = self.expander(notification)
        return expander.text("title", self.config.title), expander.text("body", self.config.body)


def _load() -> Any:
    """The package, with all its services; they use what later versions of Python will not have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            package: Any = importlib.import_module("apprise")
        except ImportError:
            raise ConfigError(
                'apprise_configs needs the package apprise; run: pip install "tocsin[apprise]"'
            ) from None
        package.Apprise().add("json://localhost")
    return package
