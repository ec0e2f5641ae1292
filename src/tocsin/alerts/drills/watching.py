"""Watching channels while they take the message of a drill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.marks import is_drill
from tocsin.alerts.notification import Notification, Teller


class Watcher(Protocol):
    """Whoever wants to know what becomes of the messages of drills."""

    def told(self, notification: Notification, channel: str, error: DeliveryError | None) -> None:
        """A channel, named as among those of its receiver, took a message or did not."""
        ...


@dataclass(frozen=True, slots=True)
class WatchedChannel:
    """A channel whose every attempt to tell of a drill is noted; of all else it makes no note."""

    channel: Teller
    name: str
    watcher: Watcher

    @property
    def integration(self) -> str:
        """The kind of channel."""
        return self.channel.integration

    @property
    def send_resolved(self) -> bool:
        """Whether it is also told when alerts are over."""
        return self.channel.send_resolved

    async def notify(self, notification: Notification) -> None:
        """Tell once; raises DeliveryError when that does not succeed."""
        try:
            await self.channel.notify(notification)
        except DeliveryError as error:
            self._note(notification, error)
            raise
        self._note(notification, None)

    def _note(self, notification: Notification, error: DeliveryError | None) -> None:
        # A drill is a group of its own, so one alert says it of all.
        if notification.alerts and is_drill(notification.alerts[0].labels):
            self.watcher.told(notification, self.name, error)
