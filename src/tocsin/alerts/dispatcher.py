"""Takes alerts, groups them by the routing tree and has their receivers told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.group import AggregationGroup
from tocsin.alerts.log import LogKey, Told
from tocsin.alerts.muting import Muting
from tocsin.alerts.notification import Channel, Notification, Teller, in_order
from tocsin.alerts.route import Route
from tocsin.alerts.state import AlertingState
from tocsin.alerts.store import KnownAlert
from tocsin.model import Clock, Labels
from tocsin.model.alert import Alert, known_fingerprint

_MAINTENANCE_INTERVAL_S: Final = 30.0
_MIN_TIMEOUT_MS: Final = 10_000
"""A notification may take as long as the group interval, and at least this long."""

TellerT = TypeVar("TellerT", bound=Teller)

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Whoever keeps a record of what becomes of alerts and their groups."""

    def put(self, alerts: Sequence[KnownAlert], now_ms: int) -> None:
        """Alerts were reported."""
        ...

    def check(self, firing: Container[Labels], now_ms: int) -> None:
        """These fire; called from time to time."""
        ...

    def holds(self, labels: Labels, now_ms: int) -> bool:
        """Whether the end of an alert is not to be told yet."""
        ...

    def grouped(self, group: AggregationGroup, alerts: Sequence[Alert], now_ms: int) -> None:
        """The alerts of a group that are not muted, as they are now."""
        ...

    def told(self, notification: Notification, integration: str, failure: str | None, now_ms: int) -> None:
        """A channel was told, or was not because of a failure."""
        ...

    def acknowledge_url(self, group_key: str) -> str:
        """A signed link by which a person acknowledges what the group is about; empty when there is none."""
        ...


class Dispatcher:
    """The part of Alertmanager between the alerts and the channels.

    Groups and channels never wait for each other. ``put`` and ``run`` belong to one event loop.
    """

    def __init__(
        self,
        root: Route,
        receivers: Mapping[str, Sequence[Channel]],
        clock: Clock,
        state: AlertingState,
        muting: Muting,
        external_url: str = "",
        observer: Observer | None = None,
    ) -> None:
        self.root = root
        self.muting = muting
        self._receivers = receivers
        self._clock = clock
        self._state = state
        self._external_url = external_url
        self._observer = observer
        self._groups: dict[tuple[Route, Labels], tuple[AggregationGroup, asyncio.Task[None]]] = {}

    @property
    def groups(self) -> list[AggregationGroup]:
        """All groups that have alerts, or had some a moment ago."""
        return [group for group, _ in self._groups.values()]

    def put(self, alerts: Sequence[Alert]) -> None:
        """Take a report about alerts; those that are news will be told in due time."""
        now_ms = self._clock.now_ms()
        known = self._state.alerts.put(alerts, now_ms)
        if self._observer is not None:
            self._observer.put(known, now_ms)
        self._insert(known)

    def load(self) -> None:
        """Take what is known from before."""
        self._insert(self._state.alerts.all())

    def _insert(self, alerts: Sequence[KnownAlert]) -> None:
        for known in alerts:
            self.muting.inhibitor.put(known)
            for route in self.root.match(known.alert.labels):
                self._group(route, route.group_labels(known.alert.labels)).insert(known)

    def _group(self, route: Route, labels: Labels) -> AggregationGroup:
        if (entry := self._groups.get((route, labels))) is None:
            group = AggregationGroup(route, labels, self._clock, self._flush)
            entry = group, asyncio.create_task(group.run(), name=f"alerts:{group.key}")
            self._groups[route, labels] = entry
        return entry[0]

    async def run(self) -> None:
        """Keep house until cancelled; then nothing more is told."""
        try:
            while True:
                await self._clock.sleep(_MAINTENANCE_INTERVAL_S)
                self._collect()
        finally:
            await self._stop()

    def _collect(self) -> None:
        now_ms = self._clock.now_ms()
        for key, (group, task) in list(self._groups.items()):
            if task.done():
                task.result()  # Only an error of our own ends it; it must not pass unseen.
            if group.is_empty:
                task.cancel()
                del self._groups[key]
        # What a group has not told yet must survive a restart.
        needed = {known.alert.labels for group in self.groups for known in group.alerts}
        state = self._state
        state.alerts.collect(now_ms, needed)
        state.log.collect(now_ms)
        firing = {known.alert.labels for known in state.alerts.firing(now_ms)}
        state.silences.clear(firing, now_ms)
        if self._observer is not None:
            self._observer.check(firing, now_ms)
        state.silences.collect(now_ms)
        self.muting.inhibitor.collect(now_ms)
        state.database.flush()

    async def _stop(self) -> None:
        tasks = [task for _, task in self._groups.values()]
        self._groups.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flush(self, group: AggregationGroup, alerts: Sequence[KnownAlert], now_ms: int) -> bool:
        """Tell a group by all channels of its receiver at the same time."""
        if self.muting.muted_by(group.route, now_ms):
            return True
        loud = [known for known in alerts if not self.muting.status(known.alert.labels, now_ms).is_suppressed]
        held = {known.alert.labels for known in loud if self._is_held(known, now_ms)}
        reported = in_order(_reported(known, now_ms, held) for known in loud)
        if self._observer is not None:
            with self._state.database.batch():
                self._observer.grouped(group, reported, now_ms)
            # A link in a message must not name an incident that a crash would have us forget.
            await self._state.database.committed()
        if not reported:
            return True
        reached = await asyncio.gather(
            *(
                self._tell(group, reported, name, channel, now_ms)
                for name, channel in named(self._receivers.get(group.route.receiver, ()))
            )
        )
        return all(reached) and not held

    def _is_held(self, known: KnownAlert, now_ms: int) -> bool:
        if self._observer is None or not known.is_resolved(now_ms):
            return False
        return self._observer.holds(known.alert.labels, now_ms)

    async def _tell(
        self, group: AggregationGroup, alerts: Sequence[Alert], name: str, channel: Channel, now_ms: int
    ) -> bool:
        """Tell one channel if there is news for it; says whether it now knows all."""
        route = group.route
        key = LogKey(route.receiver, name, group.key)
        told = _told(alerts, now_ms)
        send_resolved = channel.send_resolved
        if not self._state.log.needs_update(key, told, route.repeat_interval_ms, send_resolved=send_resolved):
            return True
        if told.firing or send_resolved:
            sent = alerts if send_resolved else [alert for alert in alerts if alert.ends_at_ms is None]
            link = self._observer.acknowledge_url(group.key) if self._observer else ""
            notification = Notification(
                route.receiver, group.key, group.labels, sent, self._external_url, link
            )
            timeout_ms = max(route.group_interval_ms, _MIN_TIMEOUT_MS)
            failure = await deliver(channel, notification, timeout_ms / 1000)
            with self._state.database.batch():
                return self._note(key, told, notification, channel, failure)
        self._state.log.record(key, Told(self._clock.now_ms(), told.firing, told.resolved))
        return True

    def _note(
        self, key: LogKey, told: Told, notification: Notification, channel: Channel, failure: str | None
    ) -> bool:
        """Note what came of a notification; says whether it was taken."""
        now_ms = self._clock.now_ms()
        if self._observer is not None:
            self._observer.told(notification, channel.integration, failure, now_ms)
        if failure is None:
            self._state.log.record(key, Told(now_ms, told.firing, told.resolved))
        return failure is None


def named(channels: Sequence[TellerT]) -> Iterator[tuple[str, TellerT]]:
    """The channels of a receiver with names that stay when one of another kind comes or goes."""
    counts: dict[str, int] = {}
    for channel in channels:
        index = counts[channel.integration] = counts.get(channel.integration, -1) + 1
        yield f"{channel.integration}/{index}", channel


def _reported(known: KnownAlert, now_ms: int, held: Container[Labels]) -> Alert:
    alert = known.reported(now_ms)
    return replace(alert, ends_at_ms=None) if alert.labels in held else alert


def _told(alerts: Sequence[Alert], now_ms: int) -> Told:
    firing = frozenset(known_fingerprint(alert.labels) for alert in alerts if alert.ends_at_ms is None)
    resolved = frozenset(known_fingerprint(alert.labels) for alert in alerts if alert.ends_at_ms is not None)
    return Told(now_ms, firing, resolved)


async def deliver(channel: Channel, notification: Notification, timeout_s: float) -> str | None:
    """Tell a channel; returns None, or why it could not be told.

    This is the guard that keeps a channel's failure from the others; only DeliveryError and delay are
    expected.
    """
    where = f'receiver "{notification.receiver}", {channel.integration}'
    try:
        await channel.notify(notification, timeout_s)
    except TimeoutError:
        _log.warning("%s: gave up after %g s, will try again", where, timeout_s)
        return f"gave up after {timeout_s:g} s"
    except DeliveryError as error:
        _log.warning("%s: not told: %s", where, error)
        return str(error)
    except Exception:  # noqa: BLE001 - this is the named guard
        _log.exception("%s: unexpected error", where)
        return "an unexpected error; the log has it"
    return None
