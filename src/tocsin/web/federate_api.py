"""``/federate``: the newest value of selected series, as text for another Prometheus to scrape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import UsageError
from tocsin.model import Labels, Matcher, MetricMetadata, MetricType, stale_mask
from tocsin.model.columns import PADDING_MS, Columns
from tocsin.promql import parse_selector
from tocsin.storage import Queryable
from tocsin.web.parameters import Parameters
from tocsin.web.points import number_texts
from tocsin.web.services import Services

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
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
        """The newest sample, at most the look-back old, of every series selected."""
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
            text = federation_text(labelled, services.storage.metadata())
            return Response(text, media_type=_CONTENT_TYPE)

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


def federation_text(samples: Iterable[Sample], metadata: Mapping[str, MetricMetadata]) -> str:
    """Samples, sorted by metric, in the text format; each metric is preceded by its type."""
    lines: list[str] = []
    metric = None
    for labels, time_ms, value in samples:
        if labels.metric_name != metric:
            metric = labels.metric_name
            known = metadata.get(metric)
            kind = known.type.value if known and known.type in _IN_TEXT else "untyped"
            lines.append(f"# TYPE {metric} {kind}")
        lines.append(f"{labels} {number_texts(np.array([value]))[0].decode()} {time_ms}")
    return "\n".join([*lines, ""])
