"""Hands acknowledgements on to services that escalate by themselves, so that they stop too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.incidents.book import IncidentBook
from tocsin.alerts.incidents.incident import Incident
from tocsin.alerts.incidents.timeline import EntryKind
from tocsin.model import Clock

_DELAYS_S: Final = (1.0, 5.0, 30.0)
"""How long to wait before it is tried again; after that it is given up, and the timeline says so."""

_log = logging.getLogger(__name__)


class AcknowledgingChannel(Protocol):
    """A channel whose service can be told that somebody acts."""

    @property
    def integration(self) -> str:
        """The kind of channel, such as ``pagerduty``."""
        ...

    async def acknowledge(self, group_key: str) -> None:
        """Tell once; raises DeliveryError when that does not succeed."""
        ...


class Acknowledger:
    """Tells those channels of an acknowledgement that were told of the incident.

    ``channels`` are by receiver. Nobody waits for it: whoever acknowledges has done so.
    """

    def __init__(
        self, book: IncidentBook, channels: Mapping[str, Sequence[AcknowledgingChannel]], clock: Clock
    ) -> None:
        self._book = book
        self._channels = channels
        self._clock = clock

    async def run(self) -> None:
        """Hand on until cancelled."""
        acknowledged: asyncio.Queue[Incident] = asyncio.Queue()
        self._book.on_acknowledged = acknowledged.put_nowait
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    incident = await acknowledged.get()
                    for receiver, channel in self._told(incident):
                        tasks.create_task(self._hand_on(incident, receiver, channel))
        finally:
            self._book.on_acknowledged = None

    def _told(self, incident: Incident) -> list[tuple[str, AcknowledgingChannel]]:
        entries = self._book.timeline.of(incident.id)
        told = {(each.who, each.text) for each in entries if each.kind is EntryKind.NOTIFIED}
        return [
            (receiver, channel)
            for receiver, channels in self._channels.items()
            for channel in channels
            if any(who == receiver and text.endswith(f" by {channel.integration}") for who, text in told)
        ]

    async def _hand_on(self, incident: Incident, receiver: str, channel: AcknowledgingChannel) -> None:
        failure = ""
        for group_key in sorted(incident.groups):
            failure = await self._acknowledge(channel, group_key) or failure
        text = f"acknowledged by {channel.integration}" + (f": {failure}" if failure else "")
        self._book.handed_on(incident.id, text, receiver, self._clock.now_ms(), has_failed=bool(failure))

    async def _acknowledge(self, channel: AcknowledgingChannel, group_key: str) -> str:
        """Tell, if need be again; returns why it was given up, empty when it was not."""
        failure = ""
        for delay_s in (0.0, *_DELAYS_S):
            await self._clock.sleep(delay_s)
            try:
                await channel.acknowledge(group_key)
            except DeliveryError as error:
                failure = str(error)
                _log.warning("%s is not told of an acknowledgement: %s", channel.integration, error)
                if not error.is_retryable:
                    break
            else:
                return ""
        return failure
