"""News of a monitor as an ``ExportMetricsServiceRequest`` in OTLP's JSON.

Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"; opentelemetry/proto/metrics/v1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite, isnan
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets.histograms import Histogram, taken_apart
from tocsin.sdk.outlets.outlet import News
from tocsin.sdk.values import around_value

JSON: Final = "application/json"
_CUMULATIVE: Final = 2
_NS_PER_MS: Final = 1_000_000
_RESOURCE: Final = {"job": "service.name", "instance": "service.instance.id"}
"""The labels that receivers make of these attributes, so that series are those that are pushed as text."""


class OtlpMessage:
    """Makes requests for one monitor.

    ``job`` and ``instance`` become attributes of the resource, beside ``attributes``, which count for more;
    all other labels stand at each data point, because receivers make series of those alone. It has no scope,
    of which some would make a label more.

    >>> message = OtlpMessage({"job": "training", "run": "a"}, {}, start_ms=0)
    >>> b'"service.name"' in message.encode(News([], [], 0), Names(Guard("a")), Guard("a"))
    True
    """

    def __init__(self, labels: Mapping[str, str], attributes: Mapping[str, str], start_ms: int) -> None:
        own = {_RESOURCE[name]: value for name, value in labels.items() if name in _RESOURCE}
        self._resource = {"attributes": _attributes({**own, **attributes})}
        self._labels = {name: value for name, value in labels.items() if name not in _RESOURCE}
        self._start_ns = _time_ns(start_ms)

    def encode(self, news: News, names: Names, guard: Guard) -> bytes:
        """The body of a request; a value that is no number is told once and left out."""
        metrics = [*self._of_rows(news, names, guard), *self._of_state(news)]
        # Metric by metric, because encoding does not let other threads run.
        texts = ",".join(json.dumps(each, separators=(",", ":")) for each in metrics)
        return (
            f'{{"resourceMetrics":[{{"resource":{json.dumps(self._resource)},'
            f'"scopeMetrics":[{{"metrics":[{texts}]}}]}}]}}'
        ).encode("utf-8", "replace")

    def _of_rows(self, news: News, names: Names, guard: Guard) -> list[dict[str, Any]]:
        points: dict[str, list[dict[str, Any]]] = {}
        attributes = _attributes(self._labels)
        for time_ms, number, values in news.rows:
            points.setdefault("training_step", []).append(_point(attributes, time_ms, number))
            for name, value in values.items():
                metric = names[name]
                if metric is not None:
                    with around_value(guard, name, value):
                        points.setdefault(metric, []).append(_point(attributes, time_ms, value))
        return [_gauge(name, each) for name, each in points.items()]

    def _of_state(self, news: News) -> list[dict[str, Any]]:
        histograms, plain = taken_apart(news.state)
        points: dict[str, list[dict[str, Any]]] = {}
        for name, value, own in plain:
            points.setdefault(name, []).append(_point(self._with(own), news.time_ms, value))
        metrics = [
            self._sum(name, each) if name.endswith("_total") else _gauge(name, each)
            for name, each in points.items()
        ]
        for name, found in histograms.items():
            each = [self._histogram_point(histogram, news.time_ms) for histogram in found]
            about = {"aggregationTemporality": _CUMULATIVE, "dataPoints": each}
            metrics.append({"name": name, "histogram": about})
        return metrics

    def _histogram_point(self, histogram: Histogram, time_ms: int) -> dict[str, Any]:
        return {
            "attributes": self._with(histogram.labels),
            "startTimeUnixNano": self._start_ns,
            "timeUnixNano": _time_ns(time_ms),
            "count": str(histogram.count),
            "sum": _number(histogram.sum),
            "bucketCounts": [str(count) for count in histogram.counts],
            "explicitBounds": histogram.bounds,
        }

    def _sum(self, name: str, points: list[dict[str, Any]]) -> dict[str, Any]:
        started = [{"startTimeUnixNano": self._start_ns, **point} for point in points]
        about = {"aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
        return {"name": name, "sum": {**about, "dataPoints": started}}

    def _with(self, own: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        return _attributes({**self._labels, **dict(own)})


def _gauge(name: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "gauge": {"dataPoints": points}}


def _point(attributes: list[dict[str, Any]], time_ms: int, value: float) -> dict[str, Any]:
    return {"attributes": attributes, "timeUnixNano": _time_ns(time_ms), "asDouble": _number(value)}


def _attributes(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in labels.items()]


def _time_ns(time_ms: int) -> str:
    """64-bit integers are texts in the JSON of protobuf."""
    return str(time_ms * _NS_PER_MS)


def _number(value: float) -> float | str:
    number = float(value)
    if isfinite(number):
        return number
    return "NaN" if isnan(number) else "Infinity" if number > 0 else "-Infinity"
