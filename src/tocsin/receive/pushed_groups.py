"""Groups of metrics that jobs push before they end, each shown until its time to live is over.

Source: github.com/prometheus/pushgateway, whose groups live until somebody deletes them; here each push says
how long, and whatever is gone ends with a staleness marker. Groups are sampled again and again as a scrape
of a Pushgateway would, so that a query finds them although the job is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

import cramjam
import numpy as np
import orjson

from tocsin.collect.loop import next_tick_ms
from tocsin.config.push import PushConfig
from tocsin.errors import ParseError, SeriesLimitError, SizeLimitError, StorageError
from tocsin.model import (
    METRIC_NAME,
    STALE_NAN,
    Clock,
    Labels,
    MetricMetadata,
    MetricType,
    SampleBatch,
)
from tocsin.scrape.compression import gunzip
from tocsin.scrape.exposition import Exposition, ExpositionParser
from tocsin.scrape.openmetrics import OpenMetricsFormat
from tocsin.scrape.text import TextFormat
from tocsin.storage.interface import Appendable

_log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 64 * 1024 * 1024

PUSH_TIME: Final = "push_time_seconds"
PUSH_FAILURE_TIME: Final = "push_failure_time_seconds"
FILE_NAME: Final = "pushed_groups.json"

_OWN: Final = {
    PUSH_TIME: MetricMetadata(MetricType.GAUGE, "Last Unix time when a push to this group succeeded."),
    PUSH_FAILURE_TIME: MetricMetadata(MetricType.GAUGE, "Last Unix time when a push to this group failed."),
}

# The longest sleep: a group that is pushed meanwhile may end before the next sampling.
_NAP_S: Final = 1.0

# A sampling that comes this late at most is stamped with its due time: even steps compress better.
_PUNCTUAL_MS: Final = 10

_SUFFIXES: Final[Mapping[MetricType, tuple[str, ...]]] = {
    MetricType.COUNTER: ("_total", "_created"),
    MetricType.HISTOGRAM: ("_bucket", "_sum", "_count", "_created"),
    MetricType.GAUGE_HISTOGRAM: ("_bucket", "_gsum", "_gcount"),
    MetricType.SUMMARY: ("_sum", "_count", "_created"),
    MetricType.INFO: ("_info",),
}

Families = Mapping[str, Mapping[Labels, float]]
"""Values by series, by metric family."""


@dataclass(frozen=True, slots=True)
class Push:
    """What one request says: values, and what is known about the metric families."""

    families: Families
    metadata: Mapping[str, MetricMetadata]


@dataclass(frozen=True, slots=True)
class Group:
    """The metrics under one grouping key. Times are in milliseconds; 0 means never."""

    labels: Labels
    families: Families = field(default_factory=dict)
    pushed_ms: int = 0
    failed_ms: int = 0
    expires_ms: int = 0

    def series(self) -> list[Labels]:
        """All series, those about pushing included."""
        return list(self.values())

    def values(self) -> dict[Labels, float]:
        """The value of each series, those about pushing included."""
        own = {
            self.labels.merge({METRIC_NAME: PUSH_TIME}): self.pushed_ms / 1000,
            self.labels.merge({METRIC_NAME: PUSH_FAILURE_TIME}): self.failed_ms / 1000,
        }
        return dict(chain(own.items(), *(family.items() for family in self.families.values())))


def decode_push(
    body: bytes,
    media_type: str,
    encoding: str,
    grouping: Mapping[str, str],
    *,
    max_bytes: int = MAX_BODY_BYTES,
) -> Push:
    """Read a pushed body as OpenMetrics where its media type says so, else as the Prometheus text format.

    ``encoding`` is the Content-Encoding; the labels of ``grouping`` replace those of the same name. Raises
    SizeLimitError when the body would inflate above ``max_bytes``, and ParseError at the first fault: a line
    that is wrong or has a timestamp, or a series that stands twice.

    >>> list(decode_push(b"loss 0.5", "text/plain", "", {"job": "train"}).families)
    ['loss']
    """
    body = _inflate(body, encoding.strip().lower(), max_bytes)
    text_format = OpenMetricsFormat() if media_type == OpenMetricsFormat.media_type else TextFormat()
    parser = ExpositionParser(text_format, lambda labels: Labels({**labels, **grouping}))
    exposition = parser.parse(body)
    if exposition.timestamps_ms is not None:
        raise ParseError("pushed samples must not have timestamps, as they count from the push on")
    if exposition.layout.duplicate_count:
        raise ParseError(f"{exposition.layout.duplicate_count} samples repeat a series of the same push")
    return Push(_families(exposition), exposition.metadata)


def _inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    match encoding:
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return gunzip(body, max_bytes)
        case "snappy":
            return _inflate_snappy(body, max_bytes)
        case _:
            raise ParseError(
                f'the Content-Encoding "{encoding}" is not known (allowed: gzip, snappy, identity)'
            )


def _inflate_snappy(body: bytes, max_bytes: int) -> bytes:
    """Undo snappy in its framed form, as clients of a Pushgateway send it."""
    room = np.empty(max_bytes, dtype=np.uint8)
    try:
        size_bytes = cramjam.snappy.decompress_into(body, room.data)
    except cramjam.DecompressionError as error:
        if str(error) == "failed to write whole buffer":
            raise SizeLimitError(max_bytes) from error
        raise ParseError(f"the body is not compressed with snappy: {error}") from error
    return room[:size_bytes].tobytes()


def _families(exposition: Exposition) -> Families:
    family_of = {
        f"{family}{suffix}": family
        for family, metadata in exposition.metadata.items()
        for suffix in ("", *_SUFFIXES.get(metadata.type, ()))
    }
    families: dict[str, dict[Labels, float]] = {}
    series, index = exposition.layout.series, exposition.layout.series_index.tolist()
    for row, value in zip(index, exposition.values.tolist(), strict=True):
        name = series[row].metric_name
        if name not in _OWN:
            families.setdefault(family_of.get(name, name), {})[series[row]] = value
    return families


class PushedGroups:
    """All groups, kept in the folder so that they survive a restart, and sampled while :meth:`run` runs.

    Without a folder they live as long as the process.
    """

    def __init__(
        self, appender: Appendable, config: PushConfig, clock: Clock, folder: Path | None = None
    ) -> None:
        self._appender = appender
        self._config = config
        self._clock = clock
        self._file = folder / FILE_NAME if folder else None
        self._groups: dict[Labels, Group] = {}
        self._owner: dict[Labels, Labels] = {}
        self._turn = asyncio.Lock()
        self._is_saved = True
        self._failures: dict[str, str] = {}

    def groups(self) -> Sequence[Group]:
        """The groups there are, for people to look at."""
        return tuple(self._groups.values())

    async def push(
        self, grouping: Mapping[str, str], push: Push, ttl_ms: int | None, *, replace_all: bool
    ) -> None:
        """Put metrics into a group: in place of all there are, or of those of the same names.

        On return they are stored. Raises SeriesLimitError when there would be too many groups or series,
        ParseError when another group has one of the series, and StorageError; nothing is then changed.
        """
        async with self._turn:
            now_ms = self._clock.now_ms()
            before = self._groups.get(Labels(grouping), Group(Labels(grouping)))
            is_over = before.expires_ms <= now_ms
            kept = {} if replace_all or is_over else dict(before.families)
            for family in push.families:
                kept.pop(family, None)
            after = replace(
                before,
                families={**kept, **push.families},
                pushed_ms=now_ms,
                expires_ms=now_ms + (ttl_ms or self._config.ttl),
            )
            self._check(after)
            await self._exchange(before, after, now_ms)
            self._appender.describe({**push.metadata, **_OWN})

    async def note_failure(self, grouping: Mapping[str, str], ttl_ms: int | None) -> None:
        """Note that a push to a group failed; the time to live matters where this makes the group."""
        async with self._turn:
            now_ms = self._clock.now_ms()
            known = self._groups.get(Labels(grouping))
            if known is None and len(self._groups) >= self._config.max_groups:
                return
            fresh = Group(Labels(grouping), expires_ms=now_ms + (ttl_ms or self._config.ttl))
            await self._exchange(known or fresh, replace(known or fresh, failed_ms=now_ms), now_ms)

    async def delete(self, grouping: Mapping[str, str]) -> None:
        """End a group; nothing happens when there is none."""
        async with self._turn:
            if group := self._groups.get(Labels(grouping)):
                await self._end([group], self._clock.now_ms())

    async def run(self) -> None:
        """Sample all groups at every interval, and end those whose time is over, until cancelled."""
        interval_ms = self._config.interval
        tick_ms = next_tick_ms(0, self._clock.now_ms(), interval_ms)
        try:
            while True:
                now_ms = self._clock.now_ms()
                due_ms = min([tick_ms, *(group.expires_ms for group in self._groups.values())])
                await self._clock.sleep(min(max(due_ms - now_ms, 0) / 1000, _NAP_S))
                await self._keep_up(tick_ms)
                if self._clock.now_ms() >= tick_ms:
                    tick_ms = next_tick_ms(tick_ms, self._clock.now_ms(), interval_ms)
        finally:
            await self._save()

    async def load(self) -> None:
        """Take up the groups of the last run; those whose time ended meanwhile end at that time."""
        if self._file is None or not self._file.exists():
            return
        try:
            groups = [
                _group_from_json(item)
                for item in orjson.loads(await asyncio.to_thread(self._file.read_bytes))
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("the pushed groups in %s are lost: %s", self._file, error)
            return
        for group in groups:
            self._put(group)

    async def _keep_up(self, tick_ms: int) -> None:
        async with self._turn:
            now_ms = self._clock.now_ms()
            try:
                await self._end(
                    [group for group in self._groups.values() if group.expires_ms <= now_ms], now_ms
                )
                if now_ms >= tick_ms:
                    await self._sample(tick_ms if now_ms - tick_ms <= _PUNCTUAL_MS else now_ms)
            except StorageError as error:
                self._report("not stored", str(error))
            else:
                self._report("not stored", "")
        if now_ms >= tick_ms:
            await self._save()

    async def _sample(self, timestamp_ms: int) -> None:
        values = dict(chain.from_iterable(group.values().items() for group in self._groups.values()))
        await self._appender.append(SampleBatch.at(timestamp_ms, values))

    async def _exchange(self, before: Group, after: Group, now_ms: int) -> None:
        """Store a group as it is now, ending what it no longer has, and then remember it."""
        ended = dict.fromkeys(set(before.series()).difference(after.series()), STALE_NAN)
        await self._appender.append(SampleBatch.at(now_ms, {**ended, **after.values()}))
        self._forget(before)
        self._put(after)

    async def _end(self, groups: Sequence[Group], now_ms: int) -> None:
        """End groups at the time at which each was to, or now when that is still to come."""
        samples = (
            (labels, min(group.expires_ms, now_ms), STALE_NAN)
            for group in groups
            for labels in group.series()
        )
        await self._appender.append(SampleBatch.from_samples(samples))
        for group in groups:
            self._forget(group)

    def _check(self, group: Group) -> None:
        config = self._config
        if group.labels not in self._groups and len(self._groups) >= config.max_groups:
            raise SeriesLimitError(f"there are {len(self._groups)} pushed groups already (push.max_groups)")
        series = group.series()
        if len(series) > config.max_series:
            raise SeriesLimitError(
                f"the group {group.labels} would have {len(series)} series "
                f"(push.max_series allows {config.max_series})"
            )
        for labels in series:
            owner = self._owner.get(labels, group.labels)
            if owner != group.labels:
                raise ParseError(f"the series {labels} belongs to another pushed group, {owner}")

    def _put(self, group: Group) -> None:
        self._groups[group.labels] = group
        self._owner.update(dict.fromkeys(group.series(), group.labels))
        self._is_saved = False

    def _forget(self, group: Group) -> None:
        self._groups.pop(group.labels, None)
        for labels in group.series():
            self._owner.pop(labels, None)
        self._is_saved = False

    async def _save(self) -> None:
        """Write the groups beside the samples; whoever reads the file never sees half of it."""
        if self._file is None or self._is_saved:
            return
        self._is_saved = True
        try:
            await asyncio.to_thread(_write, self._file, self.groups())
        except OSError as error:
            self._is_saved = False
            self._report("not kept for the next start", str(error))
        else:
            self._report("not kept for the next start", "")

    def _report(self, topic: str, failure: str) -> None:
        if failure and failure != self._failures.get(topic):
            _log.error("pushed groups are %s: %s", topic, failure)
        self._failures[topic] = failure


def _write(file: Path, groups: Iterable[Group]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    draft.write_bytes(orjson.dumps([_group_as_json(group) for group in groups]))
    draft.replace(file)


def _group_as_json(group: Group) -> dict[str, Any]:
    """Values are written as text, as JSON knows neither NaN nor infinity."""
    families = {
        name: [[dict(labels.pairs), repr(value)] for labels, value in family.items()]
        for name, family in group.families.items()
    }
    times = {"pushed_ms": group.pushed_ms, "failed_ms": group.failed_ms, "expires_ms": group.expires_ms}
    return {"labels": dict(group.labels.pairs), "families": families, **times}


def _group_from_json(item: Any) -> Group:
    families = {
        name: {Labels(labels): float(value) for labels, value in family}
        for name, family in item["families"].items()
    }
    return Group(Labels(item["labels"]), families, item["pushed_ms"], item["failed_ms"], item["expires_ms"])
