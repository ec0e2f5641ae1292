"""Takes alerts, groups them by the routing tree and has their receivers told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.group import AggregationGroup
from tocsin.alerts.log import LogKey, NotificationLog, Told
from tocsin.alerts.notification import Channel, Notification, in_order
from tocsin.alerts.route import Route
from tocsin.alerts.store import AlertStore, KnownAlert
from tocsin.model import Clock, Labels
from tocsin.model.alert import Alert

_MAINTENANCE_INTERVAL_S: Final = 30.0
_MIN_TIMEOUT_MS: Final = 10_000
"""A notification may take as long as the group interval, and at least this long."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """The part of Alertmanager between the alerts and the channels.

    Groups and channels never wait for each other. ``put`` and ``run`` belong to one event loop.
    """

    def __init__(
        self,
        root: Route,
        receivers: Mapping[str, Sequence[Channel]],
        clock: Clock,
        store: AlertStore,
        log: NotificationLog,
        external_url: str = "",
    ) -> None:
        self._root = root
        self._receivers = receivers
        self._clock = clock
        self._store = store
        self._log = log
        self._external_url = external_url
        self._groups: dict[tuple[Route, Labels], tuple[AggregationGroup, asyncio.Task[None]]] = {}

    @property
    def groups(self) -> list[AggregationGroup]:
        """All groups that have alerts, or had some a moment ago."""
        return [group for group, _ in self._groups.values()]

    def put(self, alerts: Sequence[Alert]) -> None:
        """Take a report about alerts; those that are news will be told in due time."""
        for known in self._store.put(alerts, self._clock.now_ms()):
            for route in self._root.match(known.alert.labels):
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
        self._store.collect(now_ms)
        self._log.collect(now_ms)
        for key, (group, task) in list(self._groups.items()):
            if task.done():
                task.result()  # Only an error of our own ends it; it must not pass unseen.
            if group.is_empty:
                task.cancel()
                del self._groups[key]

    async def _stop(self) -> None:
        tasks = [task for _, task in self._groups.values()]
        self._groups.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flush(self, group: AggregationGroup, alerts: Sequence[KnownAlert], now_ms: int) -> bool:
        """Tell a group by all channels of its receiver at the same time."""
        reported = in_order(known.reported(now_ms) for known in alerts)
        channels = self._receivers.get(group.route.receiver, ())
        reached = await asyncio.gather(
            *(self._tell(group, reported, index, channel, now_ms) for index, channel in enumerate(channels))
        )
        return all(reached)

    async def _tell(
        self, group: AggregationGroup, alerts: Sequence[Alert], index: int, channel: Channel, now_ms: int
    ) -> bool:
        """Tell one channel if there is news for it; says whether it now knows all."""
        route = group.route
        key = LogKey(route.receiver, index, group.key)
        firing = frozenset(alert.labels for alert in alerts if alert.ends_at_ms is None)
        told = Told(now_ms, firing, frozenset(alert.labels for alert in alerts) - firing)
        send_resolved = channel.send_resolved
        if not self._log.needs_update(key, told, route.repeat_interval_ms, send_resolved=send_resolved):
            return True
        if firing or send_resolved:
            sent = alerts if send_resolved else [alert for alert in alerts if alert.ends_at_ms is None]
            notification = Notification(route.receiver, group.key, group.labels, sent, self._external_url)
            timeout_ms = max(route.group_interval_ms, _MIN_TIMEOUT_MS)
            if not await _delivered(channel, notification, timeout_ms / 1000):
                return False
        self._log.record(key, Told(self._clock.now_ms(), told.firing, told.resolved))
        return True


async def _delivered(channel: Channel, notification: Notification, timeout_s: float) -> bool:
    """The guard that keeps a channel's failure from the others; only DeliveryError and delay are expected."""
    where = f'receiver "{notification.receiver}", {channel.integration}'
    try:
        async with asyncio.timeout(timeout_s):
            await channel.notify(notification)
    except TimeoutError:
        _log.warning("%s: gave up after %g s, will try again", where, timeout_s)
    except DeliveryError as error:
        _log.warning("%s: not told: %s", where, error)
    except Exception:  # noqa: BLE001 - this is the named guard
        _log.exception("%s: unexpected error", where)
    else:
        return True
    return False
