"""Data points of one request as samples.

Source: opentelemetry.io/docs/specs/otel/metrics/data-model; Prometheus, storage/remote/otlptranslator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from opentelemetry.proto.metrics.v1 import metrics_pb2

from tocsin.errors import ParseError
from tocsin.model import STALE_NAN
from tocsin.receive.otlp.deltas import DeltaSums
from tocsin.receive.otlp.names import MetricKind
from tocsin.receive.otlp.received import Rejections
from tocsin.receive.otlp.series import MetricSeries, SeriesBook
from tocsin.receive.remote_write import NATIVE_HISTOGRAM

INVALID: Final = "invalid"
TEMPORALITY: Final = "temporality"
OUT_OF_ORDER: Final = "out_of_order"
"""Reasons, beside NATIVE_HISTOGRAM, for which data points are not taken."""

_DELTA: Final = metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE: Final = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
_NO_RECORDED_VALUE: Final = metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

_NS_PER_MS: Final = 1_000_000

_TIMES: Final = ("start_time_unix_nano", "time_unix_nano", "flags", "exemplars")
_NUMBER: Final = (*_TIMES, "value")
_HISTOGRAM: Final = (*_TIMES, "count", "sum", "min", "max", "bucket_counts")
_SUMMARY: Final = (*_TIMES[:3], "count", "sum", "quantile_values")
"""The fields of data points that do not tell which series they belong to."""


@dataclass(slots=True)
class PointReader:
    """Reads the data points of a request, whose messages it uses up, into three parallel lists."""

    deltas: DeltaSums
    book: SeriesBook
    now_ms: int
    rejections: Rejections = field(default_factory=Rejections)
    rows: list[int] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, row: int, timestamp_ms: int, value: float) -> None:
        """Take one sample."""
        self.rows.append(row)
        self.timestamps_ms.append(timestamp_ms)
        self.values.append(value)

    def read(self, metric: Any, series: MetricSeries) -> None:
        """Take the data points of a metric, or note why not."""
        data = getattr(metric, metric.WhichOneof("data"))
        has_temporality = series.kind not in {MetricKind.GAUGE, MetricKind.SUMMARY}
        temporality = data.aggregation_temporality if has_temporality else _CUMULATIVE
        if temporality not in {_DELTA, _CUMULATIVE}:
            sentence = f'"{metric.name}" is neither cumulative nor delta'
            self.rejections.add(TEMPORALITY, sentence, len(data.data_points))
            return
        read = _READERS[series.kind]
        for point in data.data_points:
            try:
                read(self, point, series, temporality)
            except ParseError as error:
                self.rejections.add(INVALID, f'in "{metric.name}" {error}')

    def timestamp_ms(self, point: Any) -> int:
        """When a data point was taken; now, where it does not say."""
        return point.time_unix_nano // _NS_PER_MS or self.now_ms

    def read_number(self, point: Any, series: MetricSeries, temporality: int) -> None:
        """Take a gauge or a sum."""
        field_name = point.WhichOneof("value")
        is_stale = point.flags & _NO_RECORDED_VALUE
        if field_name is None and not is_stale:
            raise ParseError("a data point has no value")
        value = STALE_NAN if is_stale else float(getattr(point, field_name))
        timestamp_ms, time_ns = self.timestamp_ms(point), point.time_unix_nano
        row = series.number_row(_key(point, _NUMBER), point.attributes)
        if temporality == _DELTA:
            sums = self._summed(row, time_ns, [value], is_stale=bool(is_stale))
            if sums is None:
                return
            value = sums[0]
        self.add(row, timestamp_ms, value)

    def read_histogram(self, point: Any, series: MetricSeries, temporality: int) -> None:
        """Take a classic histogram."""
        timestamp_ms, time_ns = self.timestamp_ms(point), point.time_unix_nano
        is_stale, has_sum = bool(point.flags & _NO_RECORDED_VALUE), point.HasField("sum")
        bounds = tuple(bound for bound in point.explicit_bounds if bound != math.inf)
        values = [float(point.count), point.sum, *accumulate(map(float, point.bucket_counts[: len(bounds)]))]
        if is_stale:
            values = [STALE_NAN] * len(values)
        rows = series.histogram_rows(_key(point, _HISTOGRAM), point.attributes, bounds)
        if temporality == _DELTA:
            sums = self._summed(rows.count_row, time_ns, values, bounds, is_stale=is_stale)
            if sums is None:
                return
            values = list(sums)
        count, total, *buckets = values
        self.add(rows.count_row, timestamp_ms, count)
        self.add(rows.infinite_row, timestamp_ms, count)
        if has_sum:
            self.add(rows.sum_row, timestamp_ms, total)
        for row, value in zip(rows.bucket_rows, buckets, strict=False):
            self.add(row, timestamp_ms, value)

    def read_summary(self, point: Any, series: MetricSeries, _temporality: int) -> None:
        """Take a summary."""
        timestamp_ms = self.timestamp_ms(point)
        quantiles = tuple(each.quantile for each in point.quantile_values)
        values = [float(point.count), point.sum, *(each.value for each in point.quantile_values)]
        if point.flags & _NO_RECORDED_VALUE:
            values = [STALE_NAN] * len(values)
        count_row, sum_row, quantile_rows = series.summary_rows(
            _key(point, _SUMMARY), point.attributes, quantiles
        )
        for row, value in zip((count_row, sum_row, *quantile_rows), values, strict=True):
            self.add(row, timestamp_ms, value)

    def _summed(
        self, row: int, time_ns: int, deltas: list[float], bounds: tuple[float, ...] = (), *, is_stale: bool
    ) -> tuple[float, ...] | None:
        """Add deltas up, or note that they came too late."""
        labels = self.book.labels(row)
        if is_stale:
            self.deltas.forget(labels)
            return tuple(deltas)
        try:
            return self.deltas.add(labels, time_ns or self.now_ms * _NS_PER_MS, deltas, bounds)
        except ParseError as error:
            self.rejections.add(OUT_OF_ORDER, str(error))
            return None


def reject_native(metric: Any, rejections: Rejections) -> None:
    """Note the data points of an exponential histogram, which there is no place for."""
    points = metric.exponential_histogram.data_points
    sentence = f'"{metric.name}" is an exponential histogram (allowed: explicit bounds)'
    rejections.add(NATIVE_HISTOGRAM, sentence, len(points))


def metric_kind(metric: Any) -> MetricKind:
    """What a metric is."""
    data = metric.WhichOneof("data")
    if data == "sum":
        is_monotonic = metric.sum.is_monotonic
        return MetricKind.MONOTONIC_COUNTER if is_monotonic else MetricKind.NON_MONOTONIC_COUNTER
    return MetricKind(data) if data else MetricKind.UNKNOWN


def _key(point: Any, value_fields: Iterable[str]) -> bytes:
    """What tells a data point's series: its bytes once all its values are taken away."""
    for name in value_fields:
        point.ClearField(name)
    return bytes(point.SerializeToString())


_Read = Callable[[PointReader, Any, MetricSeries, int], None]

_READERS: Final[Mapping[MetricKind, _Read]] = {
    MetricKind.GAUGE: PointReader.read_number,
    MetricKind.MONOTONIC_COUNTER: PointReader.read_number,
    MetricKind.NON_MONOTONIC_COUNTER: PointReader.read_number,
    MetricKind.HISTOGRAM: PointReader.read_histogram,
    MetricKind.SUMMARY: PointReader.read_summary,
}
"""How the data points of each kind of metric are read."""
