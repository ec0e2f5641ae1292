"""Tells further people of incidents that nobody acknowledges."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from tocsin.alerts.dispatcher import deliver
from tocsin.alerts.incidents.book import IncidentBook
from tocsin.alerts.incidents.incident import Incident, IncidentStatus
from tocsin.alerts.muting import Muting
from tocsin.alerts.notification import Channel, Notification, in_order
from tocsin.config.escalation import EscalationConfig, OnCallConfig
from tocsin.model import Clock, Labels
from tocsin.model.alert import Alert

_INTERVAL_S: Final = 1.0
_TIMEOUT_S: Final = 60.0
_MIN_TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 30.0

_log = logging.getLogger(__name__)


class Escalator:
    """Looks at all active incidents each second.

    A level counts as told once one of its receivers was reached. It is tried again until then, or until the
    next one is due: a receiver that is away keeps nobody else from being told. What was told is remembered,
    so that a restart repeats at most the level that was being told.
    """

    def __init__(
        self,
        book: IncidentBook,
        receivers: Mapping[str, Sequence[Channel]],
        rotations: Sequence[OnCallConfig],
        muting: Muting,
        clock: Clock,
        external_url: str = "",
    ) -> None:
        self._book = book
        self._receivers = receivers
        self._rotations = {rotation.name: rotation for rotation in rotations}
        self._muting = muting
        self._clock = clock
        self._external_url = external_url
        self._telling: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Escalate until cancelled."""
        try:
            while True:
                self.look()
                await self._clock.sleep(_INTERVAL_S)
        finally:
            for task in self._telling.values():
                task.cancel()
            await asyncio.gather(*self._telling.values(), return_exceptions=True)

    def look(self) -> None:
        """Begin to tell every level that is due."""
        now_ms = self._clock.now_ms()
        for incident_id in [each for each, task in self._telling.items() if task.done()]:
            self._telling.pop(incident_id).result()
        self._book.expire(now_ms)
        for incident in self._book.active():
            policy = self._book.policy(incident)
            if policy is None or incident.id in self._telling:
                continue
            level = self.due_level(incident, policy, now_ms)
            if level is not None:
                self._telling[incident.id] = asyncio.create_task(
                    self._tell(incident, policy, level), name=f"escalation:{incident.id}"
                )

    def due_level(self, incident: Incident, policy: EscalationConfig, now_ms: int) -> int | None:
        """The number, from 0, of the level that is to be told now, if any."""
        if incident.status is not IncidentStatus.OPEN or incident.escalates_from_ms is None:
            return None
        waited_ms = now_ms - incident.escalates_from_ms
        if incident.level >= len(policy.levels):
            last_ms = policy.levels[-1].after
            if policy.repeat is not None and waited_ms >= last_ms + policy.repeat:
                self._book.repeat(incident.id, now_ms - policy.levels[0].after)
            return None
        return incident.level if waited_ms >= policy.levels[incident.level].after else None

    async def _tell(self, incident: Incident, policy: EscalationConfig, level: int) -> None:
        now_ms = self._clock.now_ms()
        alerts = [
            alert.as_alert()
            for alert in incident.firing
            if not self._muting.status(alert.labels, now_ms).is_suppressed
        ]
        if not alerts:
            return
        names = self._names(policy.levels[level].to, now_ms)
        next_ms = _following_ms(incident, policy, level)
        left_s = _TIMEOUT_S if next_ms is None else (next_ms - now_ms) / 1000
        timeout_s = max(_MIN_TIMEOUT_S, min(_TIMEOUT_S, left_s))
        reached = await asyncio.gather(*(self._reach(name, incident, alerts, timeout_s) for name in names))
        now_ms = self._clock.now_ms()
        if any(reached):
            self._book.reached(incident.id, level + 1, names, now_ms)
        elif next_ms is not None and now_ms >= next_ms:
            self._book.passed_over(incident.id, level + 1, names, now_ms)
        else:
            left_s = _RETRY_S if next_ms is None else (next_ms - now_ms) / 1000
            await self._clock.sleep(min(_RETRY_S, left_s))

    async def _reach(self, name: str, incident: Incident, alerts: Sequence[Alert], timeout_s: float) -> bool:
        """Tell a receiver by all its channels; whoever has none is told by looking at the pages."""
        key = next(iter(sorted(incident.groups)), f"incident/{incident.id}")
        link = self._book.acknowledge_url(key)
        notification = Notification(name, key, Labels({}), in_order(alerts), self._external_url, link)
        outcomes = await asyncio.gather(
            *(
                self._deliver(channel, notification, incident.id, timeout_s)
                for channel in self._receivers.get(name, ())
            )
        )
        return any(outcomes) or not outcomes

    async def _deliver(
        self, channel: Channel, notification: Notification, incident_id: int, timeout_s: float
    ) -> bool:
        failure = await deliver(channel, notification, timeout_s)
        self._book.told(notification, channel.integration, failure, self._clock.now_ms())
        if failure is not None:
            _log.warning("incident %d: the level will be tried again", incident_id)
        return failure is None

    def _names(self, to: Sequence[str], now_ms: int) -> list[str]:
        """Receivers, rotations replaced by who is on call now."""
        at = datetime.fromtimestamp(now_ms / 1000, UTC)
        names = (self._rotations[name].receiver(at) if name in self._rotations else name for name in to)
        return list(dict.fromkeys(names))


def _following_ms(incident: Incident, policy: EscalationConfig, level: int) -> int | None:
    """When the level after one, or the first one again, is due; None when none follows."""
    start_ms = incident.escalates_from_ms or 0
    if level + 1 < len(policy.levels):
        return start_ms + policy.levels[level + 1].after
    return None if policy.repeat is None else start_ms + policy.levels[level].after + policy.repeat
