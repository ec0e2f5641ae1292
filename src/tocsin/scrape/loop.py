"""Scraping one target again and again, and the truth about series that are gone."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np

from tocsin.config.scrape import ScrapeConfig
from tocsin.errors import ParseError, StorageError, TocsinError
from tocsin.model import STALE_NAN, Clock, Labels, MetricMetadata, SampleBatch
from tocsin.scrape.exposition import NO_TIMESTAMP, Exposition, ExpositionParser
from tocsin.scrape.fetch import Body, Fetcher, ScrapeError
from tocsin.scrape.metrics import ScrapeMetrics
from tocsin.scrape.series import SeriesResolver
from tocsin.scrape.target import Target
from tocsin.storage.interface import Appendable

_log = logging.getLogger(__name__)

# A timestamp this close to the time planned is set to it: regular intervals compress better.
_TOLERANCE_MS: Final = 10
_TOLERANCE_SHARE: Final = 100

# A body above this is parsed in a thread: the first time may take long enough to be felt elsewhere.
_LARGE_BODY_BYTES: Final = 256 * 1024


class Health(StrEnum):
    """How the last scrape went."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class History:
    """What a loop has written, so that it, or its successor, can mark the end of each series."""

    tracked: Sequence[Labels] = ()
    seen: Sequence[Labels] = ()
    reports: Sequence[Labels] = ()
    last_ms: int = 0

    async def end(self, appender: Appendable, now_ms: int) -> None:
        """Mark all series as ended; raises StorageError."""
        if self.reports:
            timestamp_ms = max(now_ms, self.last_ms + 1)
            await appender.append(_stale_batch([*self.tracked, *self.reports], timestamp_ms))


@dataclass(slots=True)
class Status:
    """The last scrape, for people to look at."""

    health: Health = Health.UNKNOWN
    error: str = ""
    scraped_ms: int | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ScrapeParts:
    """What all loops share."""

    appender: Appendable
    clock: Clock
    metrics: ScrapeMetrics


@dataclass(slots=True)
class ScrapeLoop:
    """Scrapes one target at its interval and stores what it says.

    A failed scrape stores ``up`` 0 and ends all series of the target; a series that is missing in a
    scrape ends there. ``forced_error`` makes every scrape fail without asking the target.
    """

    target: Target
    config: ScrapeConfig
    fetcher: Fetcher
    parts: ScrapeParts
    history: History = field(default_factory=History)
    status: Status = field(default_factory=Status)
    forced_error: str = ""
    _parser: ExpositionParser | None = None
    _parser_format: type | None = None
    _described: Mapping[str, MetricMetadata] | None = None

    @property
    def _resolver(self) -> SeriesResolver:
        return SeriesResolver(self.config, self.target.labels)

    async def run(self) -> None:
        """Scrape until cancelled; whatever goes wrong in one scrape is reported and the next one comes."""
        clock, interval_ms = self.parts.clock, self.target.interval_ms
        planned_ms = _next_ms(clock.now_ms(), interval_ms, self._offset_ms())
        while True:
            delay_ms = planned_ms - clock.now_ms()
            await clock.sleep(max(0, min(delay_ms, interval_ms)) / 1000)
            await self._guarded_scrape(self._timestamp(planned_ms))
            planned_ms = _next_ms(
                max(clock.now_ms(), self.history.last_ms) + 1, interval_ms, self._offset_ms()
            )

    async def scrape(self, timestamp_ms: int) -> None:
        """Scrape once and store the samples at a time."""
        started_s = time.perf_counter()
        exposition, error = await self._ask()
        duration_s = time.perf_counter() - started_s
        self.status = Status(Health.DOWN if error else Health.UP, error, timestamp_ms, duration_s)
        self._count(exposition)
        await self._store(exposition, timestamp_ms, duration_s)

    async def _guarded_scrape(self, timestamp_ms: int) -> None:
        """The one place where an unforeseen error ends: it must not end the loop."""
        try:
            await self.scrape(timestamp_ms)
        except Exception as error:  # noqa: BLE001 - the named guard of a loop
            self.status = replace(self.status, health=Health.DOWN, error=f"internal error: {error!r}")
            _log.exception("scraping %s failed unexpectedly", self.target.url)

    async def _ask(self) -> tuple[Exposition | None, str]:
        try:
            if self.forced_error:
                raise ScrapeError(self.forced_error)
            body = await self.fetcher.fetch(self.target.url, self.target.timeout_ms)
            if len(body.content) > _LARGE_BODY_BYTES:
                return await asyncio.to_thread(self._parse, body), ""
            return self._parse(body), ""
        except TocsinError as error:
            return None, str(error)

    def _parse(self, body: Body) -> Exposition:
        if self._parser is None or type(body.text_format) is not self._parser_format:
            self._parser = ExpositionParser(body.text_format, self._resolver)
            self._parser_format = type(body.text_format)
        exposition = self._parser.parse(body.content)
        limit, count = self.config.sample_limit, exposition.layout.relabelled_count
        if 0 < limit < count:
            raise ParseError(f"the target has {count} samples (sample_limit {limit})")
        return exposition if self.config.honor_timestamps else replace(exposition, timestamps_ms=None)

    def _count(self, exposition: Exposition | None) -> None:
        metrics, job = self.parts.metrics, self.config.job_name
        metrics.scrapes.labels(job, "failure" if exposition is None else "success").inc()
        if exposition is not None:
            metrics.samples.labels(job).inc(exposition.scraped_count)
            metrics.duplicates.labels(job).inc(exposition.layout.duplicate_count)

    async def _store(self, exposition: Exposition | None, timestamp_ms: int, duration_s: float) -> None:
        before = self.history
        after = self._advance(exposition, timestamp_ms)
        gone = [] if after.tracked is before.tracked else set(before.tracked).difference(after.tracked)
        new = [] if after.seen is before.seen else set(after.seen).difference(before.seen)
        scraped = [exposition.batch(timestamp_ms)] if exposition else []
        report = _report(after.reports, exposition, timestamp_ms, duration_s, len(new))
        batches = [_stale_batch(list(gone), timestamp_ms), *scraped, report]
        self.history = after
        try:
            await self.parts.appender.append(_join(batches))
        except StorageError as error:
            self.history = before
            self.parts.metrics.append_failures.labels(self.config.job_name).inc()
            _log.warning("samples of %s are lost: %s", self.target.url, error)
            return
        if exposition and exposition.metadata is not self._described:
            self.parts.appender.describe(exposition.metadata)
            self._described = exposition.metadata

    def _advance(self, exposition: Exposition | None, timestamp_ms: int) -> History:
        reports = self.history.reports or self._resolver.report_series()
        if exposition is None:
            return History((), self.history.seen, reports, timestamp_ms)
        tracked = self._tracked(exposition)
        return History(tracked, exposition.layout.series, reports, timestamp_ms)

    def _tracked(self, exposition: Exposition) -> Sequence[Labels]:
        """The series whose absence means their end: not those that come with times of their own."""
        layout, timestamps_ms = exposition.layout, exposition.timestamps_ms
        if timestamps_ms is None or self.config.track_timestamps_staleness:
            return layout.series
        untimed = np.unique(layout.series_index[timestamps_ms == NO_TIMESTAMP])
        return [layout.series[index] for index in untimed]

    def _offset_ms(self) -> int:
        """Where in the interval this target's turn is: spread evenly, the same after a restart."""
        identity = f"{self.target.labels}{self.target.url}".encode()
        return zlib.crc32(identity) % self.target.interval_ms

    def _timestamp(self, planned_ms: int) -> int:
        now_ms = self.parts.clock.now_ms()
        tolerance_ms = min(_TOLERANCE_MS, self.target.interval_ms // _TOLERANCE_SHARE)
        return planned_ms if abs(now_ms - planned_ms) <= tolerance_ms else now_ms


def _next_ms(now_ms: int, interval_ms: int, offset_ms: int) -> int:
    """The first time from now on that is the offset behind a multiple of the interval."""
    return now_ms + (offset_ms - now_ms) % interval_ms


def _report(
    series: Sequence[Labels],
    exposition: Exposition | None,
    timestamp_ms: int,
    duration_s: float,
    new_count: int,
) -> SampleBatch:
    """The samples that a scrape writes about itself, in the order of REPORT_METRICS."""
    scraped = exposition.scraped_count if exposition else 0
    relabelled = exposition.layout.relabelled_count if exposition else 0
    values = (float(exposition is not None), duration_s, scraped, relabelled, new_count)
    return SampleBatch.at(timestamp_ms, dict(zip(series, map(float, values), strict=True)))


def _stale_batch(series: Sequence[Labels], timestamp_ms: int) -> SampleBatch:
    return SampleBatch.at(timestamp_ms, dict.fromkeys(series, STALE_NAN))


def _join(batches: Sequence[SampleBatch]) -> SampleBatch:
    """One batch of several that share no series."""
    starts = np.cumsum([0, *(len(batch.series) for batch in batches[:-1])])
    return SampleBatch(
        [labels for batch in batches for labels in batch.series],
        np.concatenate([batch.series_index + start for batch, start in zip(batches, starts, strict=True)]),
        np.concatenate([batch.timestamps_ms for batch in batches]),
        np.concatenate([batch.values for batch in batches]),
    )
