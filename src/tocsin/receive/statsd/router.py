"""From an event to the series that it belongs to."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.config.statsd import (
    EventType,
    HistogramOptions,
    MappingAction,
    ObserverType,
    StatsdMapping,
    SummaryOptions,
)
from tocsin.model import MetricType
from tocsin.receive.statsd.line import Event
from tocsin.receive.statsd.mapping import Mapped, Mapper
from tocsin.receive.statsd.names import escape_name
from tocsin.receive.statsd.registry import RefusedError, SeriesRegistry
from tocsin.receive.statsd.series import AnySeries, Counter, Gauge, Histogram, Summary

CLIENT_METRICS: Final = "datadog.dogstatsd.client."
"""How the names begin under which DogStatsD clients report about themselves."""


@dataclass(frozen=True, slots=True)
class Route:
    """The series of an event, by what its value is multiplied, and whether a mapping led there.

    Without a series the event is left out, and ``dropped_by`` says why.
    """

    series: AnySeries | None
    scale: float = 1.0
    is_mapped: bool = True
    dropped_by: str = ""


def counted(event: Event, route: Route) -> tuple[tuple[str, str], ...]:
    """What each event that goes this way is counted as: names of counters with the value of their label."""
    names = []
    if route.series is not None:
        names.append(("events", event.type.value))
    if route.dropped_by:
        names.append(("dropped", route.dropped_by))
    if not route.is_mapped:
        names.append(("unmapped", ""))
    return tuple(names)


class Router:
    """Finds, or makes, the series of events, and adds their values."""

    def __init__(
        self,
        mapper: Mapper,
        registry: SeriesRegistry,
        *,
        extra_labels: Mapping[str, str],
        keep_client_metrics: bool,
    ) -> None:
        self.mapper = mapper
        self._registry = registry
        self._extra_labels = extra_labels
        self._keep_client_metrics = keep_client_metrics

    def take(self, event: Event, tally: Tally[tuple[str, str]], now_ms: int) -> Route | None:
        """Add an event to its series and count what became of it; gives its route unless it was refused."""
        try:
            route = self._route(event, now_ms)
            if route.series is not None:
                _add(route.series, event, event.value * route.scale)
        except RefusedError as error:
            tally["errors", error.reason] += 1
            return None
        for name in counted(event, route):
            tally[name] += event.count
        return route

    def _route(self, event: Event, now_ms: int) -> Route:
        mapped = self.mapper.find(event.name, event.type)
        if mapped is None:
            if event.name.startswith(CLIENT_METRICS) and not self._keep_client_metrics:
                return Route(None, dropped_by="client_metrics")
        elif mapped.mapping.action is MappingAction.DROP:
            return Route(None, dropped_by="mapping")
        scale = mapped.mapping.scale if mapped is not None else None
        scale = 1.0 if scale is None else scale
        _check_value(event, event.value * scale)
        return Route(self._series(event, mapped, now_ms), scale, is_mapped=mapped is not None)

    def _series(self, event: Event, mapped: Mapped | None, now_ms: int) -> AnySeries:
        mapping = mapped.mapping if mapped else None
        name = escape_name(mapped.name if mapped else event.name)
        labels = self._labels(event.labels, mapped)
        metric_type = self._metric_type(event.type, mapping)
        make = self._maker(metric_type, name, labels, mapping, now_ms)
        help_text = mapping.help if mapping else ""
        series = self._registry.resolve(metric_type, name, labels, make, help_text=help_text)
        series.ttl_ms = mapping.ttl if mapping else self.mapper.defaults.ttl
        return series

    def _labels(self, tags: Mapping[str, str], mapped: Mapped | None) -> dict[str, str]:
        """Labels of a mapping win over tags unless it honours those; what ends up empty is no label."""
        labels = {**self._extra_labels, **tags}
        if mapped and mapped.mapping.honor_labels:
            labels = {**self._extra_labels, **mapped.labels, **tags}
        elif mapped:
            labels |= mapped.labels
        return {name: value for name, value in labels.items() if value}

    def _metric_type(self, event_type: EventType, mapping: StatsdMapping | None) -> MetricType:
        if event_type is EventType.COUNTER:
            return MetricType.COUNTER
        if event_type is EventType.GAUGE:
            return MetricType.GAUGE
        observer = mapping.observer_type if mapping else self.mapper.defaults.observer_type
        return MetricType.HISTOGRAM if observer is ObserverType.HISTOGRAM else MetricType.SUMMARY

    def _maker(
        self,
        metric_type: MetricType,
        name: str,
        labels: Mapping[str, str],
        mapping: StatsdMapping | None,
        now_ms: int,
    ) -> Callable[[], AnySeries]:
        options = mapping or self.mapper.defaults
        match metric_type:
            case MetricType.COUNTER:
                return lambda: Counter(name, labels)
            case MetricType.GAUGE:
                return lambda: Gauge(name, labels)
            case MetricType.HISTOGRAM:
                return lambda: Histogram(name, labels, options.histogram_options or HistogramOptions())
            case _:
                return lambda: Summary(name, labels, options.summary_options or SummaryOptions(), now_ms)


def _check_value(event: Event, value: float) -> None:
    """A sum that took NaN or infinity once would hold nothing else for ever."""
    if event.type is EventType.GAUGE:
        return
    if not math.isfinite(value):
        raise RefusedError("illegal_value")
    if event.type is EventType.COUNTER and value < 0:
        raise RefusedError("illegal_negative_counter")


def _add(series: AnySeries, event: Event, value: float) -> None:
    series.is_fresh = True
    match series:
        case Counter():
            series.value += value
        case Gauge():
            series.value = series.value + value if event.relative else value
        case Histogram() | Summary():
            series.observe(value, event.count)
