"""Runs the collectors at a fixed interval and stores what they give."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.collect.collector import Collector
from tocsin.collect.families import SeriesTable, family_metadata
from tocsin.collect.source import Outcome, Source
from tocsin.errors import StorageError
from tocsin.model import STALE_NAN, Clock, Labels, MetricMetadata, SampleBatch
from tocsin.storage.interface import Appendable

_log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 5.0
"""How long a round waits for its slowest collector, where the interval is not shorter still."""

OWN_JOB: Final = "tocsin"

_PUNCTUAL_MS: Final = 10
"""A tick that comes this late at most is stamped with its due time: even steps compress better."""


class CollectLoop:
    """One round of all collectors in every interval.

    Each collector runs in a thread of its own. One that fails, or gives no answer within the
    interval or :data:`ANSWER_TIMEOUT_S`, costs its own metrics alone and shows as
    ``tocsin_collector_up`` 0; one that hangs is left alone until it comes back. A series that a
    round no longer has ends with a staleness marker, and every series does when the loop is cancelled.
    """

    def __init__(
        self,
        appender: Appendable,
        collectors: Iterable[Collector],
        *,
        interval_s: float,
        instance: str,
        clock: Clock,
    ) -> None:
        self._appender = appender
        self._clock = clock
        self._interval_ms = round(interval_s * 1000)
        self._timeout_s = min(interval_s, ANSWER_TIMEOUT_S)
        self._sources = [Source(collector, instance) for collector in collectors]
        self._own_series = SeriesTable(job=OWN_JOB, instance=instance)
        self._families: list[Metric] = []
        self._described: dict[str, MetricMetadata] = {}
        self._live: frozenset[Labels] = frozenset()
        self._last_ms = 0
        self._storage_failure = ""

    def families(self) -> list[Metric]:
        """What the last round gave, for the page on which tocsin shows its own metrics."""
        return list(self._families)

    async def run(self) -> None:
        """Collect at once and then at every tick, until cancelled."""
        due_ms = self._clock.now_ms()
        try:
            while True:
                await self._round(self._timestamp_ms(due_ms))
                now_ms = self._clock.now_ms()
                due_ms = next_tick_ms(due_ms, now_ms, self._interval_ms)
                await self._clock.sleep((due_ms - now_ms) / 1000)
        finally:
            await self._store(max(self._clock.now_ms(), self._last_ms + 1), {})

    def _timestamp_ms(self, due_ms: int) -> int:
        now_ms = self._clock.now_ms()
        return due_ms if 0 <= now_ms - due_ms <= _PUNCTUAL_MS else now_ms

    async def _round(self, timestamp_ms: int) -> None:
        outcomes = await asyncio.gather(*(source.collect(self._timeout_s) for source in self._sources))
        own = _own_families(outcomes)
        values = self._own_series.values(own)
        for outcome in outcomes:
            values |= outcome.values
        self._families = [*(family for outcome in outcomes for family in outcome.families), *own]
        self._describe(self._families)
        await self._store(timestamp_ms, values)

    def _describe(self, families: Iterable[Metric]) -> None:
        metadata = family_metadata(families)
        changed = {name: known for name, known in metadata.items() if self._described.get(name) != known}
        if changed:
            self._appender.describe(changed)
            self._described |= changed

    async def _store(self, timestamp_ms: int, values: dict[Labels, float]) -> None:
        live = frozenset(values)
        ended = dict.fromkeys(self._live - live, STALE_NAN)
        if not values and not ended:
            return
        try:
            await self._appender.append(SampleBatch.at(timestamp_ms, values | ended))
        except StorageError as error:
            self._report(str(error))
            return
        self._report("")
        self._live, self._last_ms = live, timestamp_ms

    def _report(self, failure: str) -> None:
        if failure and failure != self._storage_failure:
            _log.error("a collection was not stored: %s", failure)
        self._storage_failure = failure


def next_tick_ms(due_ms: int, now_ms: int, interval_ms: int) -> int:
    """The first tick after now on the grid that the last one stood on; a new grid if the clock was set back.

    >>> next_tick_ms(1000, 1004, 500), next_tick_ms(1000, 2100, 500)
    (1500, 2500)
    """
    missed = max(0, (now_ms - due_ms) // interval_ms)
    tick_ms = due_ms + (missed + 1) * interval_ms
    return tick_ms if tick_ms - now_ms <= 2 * interval_ms else now_ms + interval_ms


def _own_families(outcomes: Iterable[Outcome]) -> list[Metric]:
    up = GaugeMetricFamily(
        "tocsin_collector_up", "Whether a collector gave its metrics.", labels=["collector"]
    )
    duration = GaugeMetricFamily(
        "tocsin_collector_duration_seconds", "Time that a collector took.", labels=["collector"]
    )
    failures = CounterMetricFamily(
        "tocsin_collector_failures", "Rounds in which a collector gave nothing.", labels=["collector"]
    )
    for outcome in outcomes:
        up.add_metric([outcome.name], float(outcome.is_up))
        duration.add_metric([outcome.name], outcome.duration_s)
        failures.add_metric([outcome.name], outcome.failures)
    return [up, duration, failures]
