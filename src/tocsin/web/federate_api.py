"""``/federate``: the newest value of selected series, as text for another Prometheus to scrape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import UsageError
from tocsin.model import METRIC_NAME, Labels, Matcher, MetricMetadata, MetricType, stale_mask
from tocsin.model.columns import PADDING_MS, Columns
from tocsin.promql import parse_selector
from tocsin.storage import Queryable
from tocsin.web.parameters import Parameters
from tocsin.web.points import number_texts
from tocsin.web.services import Services

_UTF8: Final = "escaping=allow-utf-8"
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_CONTENT_TYPE_UTF8: Final = f"text/plain; version=1.0.0; charset=utf-8; {_UTF8}"

_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_:]", re.ASCII)
_FOREIGN_IN_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]", re.ASCII)
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

_IN_TEXT: Final = {MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM, MetricType.SUMMARY}

Sample: TypeAlias = tuple[Labels, int, float]


class FederateApi:
    """``/federate?match[]=…``, with one or several selectors."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (Route("/federate", self.federate),)

    async def federate(self, request: Request) -> Response:
        """The newest sample, at most the look-back old, of every series selected.

        Names that need quotes are quoted for those who say in ``Accept`` that they read that; for all others
        ``_`` stands for what must not be in a name.
        """
        utf8_allowed = _UTF8 in request.headers.get("accept", "").replace(" ", "").lower()
        content_type = _CONTENT_TYPE_UTF8 if utf8_allowed else _CONTENT_TYPE
        parameters = await Parameters.of(request)
        selectors = [parse_selector(text) for text in parameters.texts("match")]
        if not selectors:
            raise UsageError('the parameter "match[]" is missing: at least one selector is needed')
        services = self._services
        end_ms = services.clock.now_ms()
        start_ms = end_ms - services.settings.query.lookback_delta + 1
        external = services.reloading.settings.global_.external_labels

        def work(_cancelled: object) -> Response:
            newest = newest_samples(services.storage, selectors, start_ms, end_ms)
            labelled = ((Labels({**external, **labels}), time_ms, value) for labels, time_ms, value in newest)
            text = federation_text(labelled, services.storage.metadata(), utf8_allowed=utf8_allowed)
            return Response(text, headers={"content-type": content_type})

        return await services.queries.run(request, work)


def newest_samples(
    storage: Queryable, selectors: Iterable[Sequence[Matcher]], start_ms: int, end_ms: int
) -> list[Sample]:
    """The newest sample of each series, sorted by metric; a series that has ended has none."""
    found: dict[Labels, tuple[int, float]] = {}
    for matchers in selectors:
        for block in storage.select(matchers, start_ms, end_ms):
            found.update(_newest_of(block))
    samples = [(labels, time_ms, value) for labels, (time_ms, value) in found.items()]
    return sorted(samples, key=lambda sample: (sample[0].metric_name, sample[0]))


def _newest_of(block: Columns) -> dict[Labels, tuple[int, float]]:
    times = np.broadcast_to(block.timestamps_ms, block.values.shape)
    last = np.full(len(block.labels), times.shape[1]) if block.lengths is None else block.lengths
    rows = np.arange(len(block.labels))
    newest = np.ascontiguousarray(block.values[rows, last - 1])
    alive = ~stale_mask(newest)
    return {
        labels: (int(time_ms), float(value))
        for labels, time_ms, value, is_alive in zip(
            block.labels, times[rows, last - 1], newest, alive, strict=True
        )
        if is_alive and time_ms != PADDING_MS
    }


def federation_text(
    samples: Iterable[Sample], metadata: Mapping[str, MetricMetadata], *, utf8_allowed: bool = False
) -> str:
    """Samples, sorted by metric, in the text format; each metric is preceded by its type."""
    lines: list[str] = []
    metric = None
    for labels, time_ms, value in samples:
        if labels.metric_name != metric:
            metric = labels.metric_name
            known = metadata.get(metric)
            kind = known.type.value if known and known.type in _IN_TEXT else "untyped"
            lines.append(f"# TYPE {_metric(metric, utf8_allowed=utf8_allowed)} {kind}")
        series = series_text(labels, utf8_allowed=utf8_allowed)
        lines.append(f"{series} {number_texts(np.array([value]))[0].decode()} {time_ms}")
    return "\n".join([*lines, ""])


def series_text(labels: Labels, *, utf8_allowed: bool) -> str:
    """A series as the text format has it.

    >>> labels = Labels({"__name__": "gpu.power", "unit of": "W"})
    >>> series_text(labels, utf8_allowed=True), series_text(labels, utf8_allowed=False)
    ('{"gpu.power","unit of"="W"}', 'gpu_power{unit_of="W"}')
    """
    metric = _metric(labels.metric_name, utf8_allowed=utf8_allowed)
    pairs = {
        _label(name, utf8_allowed=utf8_allowed): f'"{value.translate(_ESCAPES)}"'
        for name, value in labels.pairs
        if name != METRIC_NAME
    }
    # What is escaped may become any name, that of the metric too.
    parts = [f"{name}={value}" for name, value in pairs.items() if name != METRIC_NAME]
    if metric.startswith('"'):
        return f"{{{','.join([metric, *parts])}}}"
    return f"{metric}{{{','.join(parts)}}}" if parts else metric


@lru_cache(maxsize=10_000)
def _metric(name: str, *, utf8_allowed: bool) -> str:
    return _written(name, _METRIC_NAME, _FOREIGN, utf8_allowed=utf8_allowed)


@lru_cache(maxsize=10_000)
def _label(name: str, *, utf8_allowed: bool) -> str:
    return _written(name, _LABEL_NAME, _FOREIGN_IN_LABEL, utf8_allowed=utf8_allowed)


def _written(name: str, plain: re.Pattern[str], foreign: re.Pattern[str], *, utf8_allowed: bool) -> str:
    """A name as it is where it may stand so, else quoted or with ``_`` for every other character."""
    if plain.fullmatch(name):
        return name
    if utf8_allowed:
        return f'"{name.translate(_ESCAPES)}"'
    escaped = foreign.sub("_", name)
    return f"_{escaped}" if escaped[:1].isdigit() else escaped
