"""Every series that StatsD has made: found by name and labels, ended by age, bounded in number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from tocsin.errors import TocsinError
from tocsin.model import STALE_NAN, Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.receive.statsd.series import AnySeries, Counter, Gauge, Summary

Key: TypeAlias = tuple[str, frozenset[tuple[str, str]]]

_SUFFIXES: Final[Mapping[MetricType, tuple[str, ...]]] = {
    MetricType.COUNTER: ("",),
    MetricType.GAUGE: ("",),
    MetricType.HISTOGRAM: ("", "_bucket", "_sum", "_count"),
    MetricType.SUMMARY: ("", "_sum", "_count"),
}
"""The metric names that a family of each type takes."""

_SUMMARIES_PER_STEP: Final = 200

_OWN_LABEL: Final = {MetricType.HISTOGRAM: "le", MetricType.SUMMARY: "quantile"}


class RefusedError(TocsinError):
    """An event cannot be taken; ``reason`` is the label by which that is counted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"an event of StatsD is refused: {reason}")


@dataclass(slots=True)
class _Family:
    type: MetricType
    help: str
    series_count: int = 0


class SeriesRegistry:
    """The series so far, and what is to be stored of them.

    ``max_series`` bounds what is stored: a histogram counts once for each bucket, its sum and its count.
    """

    def __init__(self, max_series: int) -> None:
        self._max_series = max_series
        self._series: dict[Key, AnySeries] = {}
        self._families: dict[str, _Family] = {}
        self._owner: dict[str, str] = {}
        self._ended: dict[Labels, None] = {}
        self._new_families: set[str] = set()
        self._stored: list[Labels] | None = None
        self.stored_count = 0

    def __len__(self) -> int:
        return len(self._series)

    def resolve(
        self,
        metric_type: MetricType,
        metric_name: str,
        labels: Mapping[str, str],
        make: Callable[[], AnySeries],
        *,
        help_text: str = "",
    ) -> AnySeries:
        """The series of a name with labels, made when there is none.

        Raises RefusedError when the name belongs to another type, a label is not allowed, or there are too
        many series.
        """
        key = (metric_name, frozenset(labels.items()))
        series = self._series.get(key)
        if series is not None:
            if series.type is not metric_type:
                raise RefusedError("conflicting_type")
            return series
        self._check_labels(metric_type, labels)
        self._check_names(metric_type, metric_name)
        return self._add(key, make(), help_text)

    def _check_labels(self, metric_type: MetricType, labels: Mapping[str, str]) -> None:
        own = _OWN_LABEL.get(metric_type)
        if any(name.startswith("__") or name == own for name in labels):
            raise RefusedError("illegal_label")

    def _check_names(self, metric_type: MetricType, metric_name: str) -> None:
        if not metric_name:
            raise RefusedError("empty_metric_name")
        family = self._families.get(metric_name)
        if family is not None:
            if family.type is not metric_type:
                raise RefusedError("conflicting_type")
        elif any(metric_name + suffix in self._owner for suffix in _SUFFIXES[metric_type]):
            raise RefusedError("conflicting_type")

    def _add(self, key: Key, series: AnySeries, help_text: str) -> AnySeries:
        if self.stored_count + len(series.labels) > self._max_series:
            raise RefusedError("too_many_series")
        name = series.metric_name
        if name not in self._families:
            self._families[name] = _Family(series.type, help_text)
            self._new_families.add(name)
            self._owner |= {name + suffix: name for suffix in _SUFFIXES[series.type]}
        self._families[name].series_count += 1
        self._series[key] = series
        self.stored_count += len(series.labels)
        self._stored = None
        for labels in series.labels:
            self._ended.pop(labels, None)
        return series

    def expire(self, now_ms: int) -> bool:
        """End the series whose last event is longer ago than their ttl; says whether there were any.

        Call it once for each flush: what came since the last call counts as of now.
        """
        over = []
        for key, series in self._series.items():
            if series.is_fresh:
                series.is_fresh, series.seen_ms = False, now_ms
            elif series.ttl_ms and series.seen_ms + series.ttl_ms < now_ms:
                over.append(key)
        self._end(over)
        return bool(over)

    def end_all(self) -> None:
        """End every series."""
        self._end(list(self._series))

    def _end(self, keys: Iterable[Key]) -> None:
        for key in keys:
            series = self._series.pop(key)
            series.is_ended = True
            self.stored_count -= len(series.labels)
            self._stored = None
            self._ended |= dict.fromkeys(series.labels)
            self._leave_family(series)

    def _leave_family(self, series: AnySeries) -> None:
        family = self._families[series.metric_name]
        family.series_count -= 1
        if not family.series_count:
            del self._families[series.metric_name]
            for suffix in _SUFFIXES[series.type]:
                del self._owner[series.metric_name + suffix]

    def prepare(self, now_ms: int) -> Iterator[None]:
        """Do what takes long for a batch of a time, in small steps between which other things may be done."""
        summaries = [series for series in self._series.values() if isinstance(series, Summary)]
        for number, summary in enumerate(summaries, start=1):
            summary.prepare(now_ms)
            if number % _SUMMARIES_PER_STEP == 0:
                yield

    def batch(self, now_ms: int) -> SampleBatch:
        """One sample of every series, and staleness markers for those that have ended since it was stored."""
        values: list[float] = []
        for series in self._series.values():
            if isinstance(series, Counter | Gauge):
                values.append(series.value)
            else:
                values += series.values(now_ms)
        values += [STALE_NAN] * len(self._ended)
        stored = [*self._stored_labels(), *self._ended] if self._ended else self._stored_labels()
        count = len(values)
        return SampleBatch(
            stored,
            np.arange(count),
            np.full(count, now_ms, dtype=np.int64),
            np.array(values, dtype=np.float64),
        )

    def _stored_labels(self) -> list[Labels]:
        if self._stored is None:
            self._stored = [labels for series in self._series.values() for labels in series.labels]
        return self._stored

    def ended(self) -> list[Labels]:
        """What has ended and is not yet known to be stored as such."""
        return list(self._ended)

    def confirm(self, ended: Iterable[Labels]) -> None:
        """It has been stored that these have ended: it need not be said again."""
        for labels in ended:
            self._ended.pop(labels, None)

    def new_metadata(self) -> dict[str, MetricMetadata]:
        """Type and help of the families that are new since the last call."""
        known = {
            name: MetricMetadata(family.type, family.help)
            for name in self._new_families
            if (family := self._families.get(name))
        }
        self._new_families.clear()
        return known
