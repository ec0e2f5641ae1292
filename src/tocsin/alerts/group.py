"""An aggregation group: alerts that are told together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TypeAlias

from tocsin.alerts.route import Route
from tocsin.alerts.store import KnownAlert
from tocsin.model import Clock, Labels

Flush: TypeAlias = Callable[["AggregationGroup", Sequence[KnownAlert], int], Awaitable[bool]]
"""Tells the alerts of a group at a time; says whether everybody was reached."""


class AggregationGroup:
    """Alerts with the same group labels under one route.

    First told ``group_wait`` after the group began, then every ``group_interval``; what is new to
    a receiver then is for ``flush`` to decide. A flush is over before the next begins.
    """

    def __init__(self, route: Route, labels: Labels, clock: Clock, flush: Flush) -> None:
        self.route = route
        self.labels = labels
        self._clock = clock
        self._flush = flush
        self._alerts: dict[Labels, KnownAlert] = {}
        self._has_flushed = False
        self._is_urgent = False
        self._nap: asyncio.Future[None] | None = None

    @cached_property
    def key(self) -> str:
        """What identifies the group, in Alertmanager's form."""
        return f"{self.route.key}:{_written(self.labels)}"

    @property
    def alerts(self) -> list[KnownAlert]:
        """What is known of its alerts, those included whose end not everybody knows yet."""
        return list(self._alerts.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell any more."""
        return not self._alerts

    def insert(self, known: KnownAlert) -> None:
        """Add an alert, or what is now known of it."""
        self._alerts[known.alert.labels] = known
        waited_ms = self._clock.now_ms() - known.starts_at_ms
        if not self._has_flushed and waited_ms > self.route.group_wait_ms:
            self._is_urgent = True
            if self._nap is not None:
                self._nap.cancel()

    async def run(self) -> None:
        """Tell the group at its times until cancelled."""
        await self._wait(self.route.group_wait_ms)
        while True:
            started_ms = self._clock.now_ms()
            self._has_flushed = True
            await self.flush(started_ms)
            await self._wait(started_ms + self.route.group_interval_ms - self._clock.now_ms())

    async def flush(self, now_ms: int) -> None:
        """Tell the present state, and forget the alerts whose end everybody knows of."""
        told = list(self._alerts.values())
        if told and await self._flush(self, told, now_ms):
            for known in told:
                labels = known.alert.labels
                if known.is_resolved(now_ms) and self._alerts.get(labels) is known:
                    del self._alerts[labels]

    async def _wait(self, duration_ms: int) -> None:
        """Wait, or less when an alert has already waited long enough elsewhere."""
        if not self._is_urgent:
            self._nap = asyncio.ensure_future(self._clock.sleep(max(0, duration_ms) / 1000))
            try:
                await asyncio.wait({self._nap})
            finally:
                self._nap.cancel()
        self._is_urgent = False


def _written(labels: Labels) -> str:
    """Labels as Go's ``model.LabelSet`` writes them."""
    pairs = sorted(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return "{" + ", ".join(pairs) + "}"
