"""OTLP over HTTP: what OpenTelemetry's SDKs and collectors push.

Source: opentelemetry.io/docs/specs/otlp. Metrics become the series that Prometheus' own receiver makes of
them; logs and traces are read, counted and dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tocsin.errors import ParseError
from tocsin.model import MetricMetadata, MetricType, SampleBatch
from tocsin.receive.otlp.body import MAX_BODY_BYTES, read_body
from tocsin.receive.otlp.deltas import MAX_VALUES, DeltaSums
from tocsin.receive.otlp.labels import target_info_name
from tocsin.receive.otlp.names import MetricKind
from tocsin.receive.otlp.points import INVALID, PointReader, metric_kind, reject_native
from tocsin.receive.otlp.received import ReceivedExport
from tocsin.receive.otlp.series import BaseLabels, Translation
from tocsin.receive.otlp.settings import OtlpSettings
from tocsin.receive.otlp.signals import Signal

MAX_REMEMBERED_BYTES: Final = 200_000_000
"""How much a decoder remembers of the series it has seen before it starts anew."""

_TARGET_METADATA: Final = MetricMetadata(MetricType.GAUGE, "Target metadata")

_TARGET_INFO_STEP_MS: Final = 150_000
"""Half of the time for which a query finds a sample."""

_MAX_TARGET_INFO_STEPS: Final = 1000


class OtlpDecoder:
    """Decodes the requests of any number of senders; keep one, in one thread, while the server runs."""

    def __init__(
        self,
        settings: OtlpSettings | None = None,
        *,
        max_bytes: int = MAX_BODY_BYTES,
        max_delta_values: int = MAX_VALUES,
    ) -> None:
        self._settings = settings or OtlpSettings()
        self._max_bytes = max_bytes
        self._deltas = DeltaSums(max_delta_values)
        self._translation = Translation(self._settings)

    def decode_metrics(
        self, body: bytes, content_type: str, content_encoding: str, now_ms: int
    ) -> ReceivedExport:
        """Read an export request with metrics.

        A data point without a time gets ``now_ms``. Data points that cannot be stored are left out and
        counted. Raises SizeLimitError when the body would inflate above ``max_bytes``, and else ParseError
        when it is no such request; nothing of it should then be stored.
        """
        request = read_body(Signal.METRICS, body, content_type, content_encoding, self._max_bytes)
        if self._translation.book.size_bytes > MAX_REMEMBERED_BYTES:
            self._translation = Translation(self._settings)
        return _Export(self._settings, self._translation, self._deltas, now_ms).read(request)

    def count_records(
        self, signal: Signal, body: bytes, content_type: str, content_encoding: str
    ) -> ReceivedExport:
        """Read an export request with logs or traces and count what it holds, of which nothing is stored.

        Raises SizeLimitError and ParseError as :meth:`decode_metrics` does.
        """
        request = read_body(signal, body, content_type, content_encoding, self._max_bytes)
        count, record = signal.record_count(request), signal.record
        fault = f"{record.replace('_', ' ')}s not stored: {count} (allowed: metrics)" if count else None
        dropped = {record: count} if count else {}
        return ReceivedExport(SampleBatch.at(0, {}), {}, dropped, signal, count, fault)


class _Export:
    """One request with metrics while it is read."""

    def __init__(
        self, settings: OtlpSettings, translation: Translation, deltas: DeltaSums, now_ms: int
    ) -> None:
        self._settings = settings
        self._translation = translation
        self._points = PointReader(deltas, translation.book, now_ms)
        self._metadata: dict[str, MetricMetadata] = {}
        self._steps_left = _MAX_TARGET_INFO_STEPS

    def read(self, request: Any) -> ReceivedExport:
        """Read all of it."""
        for resource_metrics in request.resource_metrics:
            self._read_resource(resource_metrics)
        points, rejections = self._points, self._points.rejections
        return ReceivedExport(
            self._translation.book.batch(points.rows, points.timestamps_ms, points.values),
            self._metadata,
            rejections.by_reason(),
            Signal.METRICS,
            rejections.count(),
            rejections.fault(),
        )

    def _read_resource(self, resource_metrics: Any) -> None:
        resource = resource_metrics.resource
        key = resource.SerializeToString()
        times_ms = [
            self._points.timestamp_ms(point)
            for scope_metrics in resource_metrics.scope_metrics
            for metric in scope_metrics.metrics
            for point in _data_points(metric)
        ]
        for scope_metrics in resource_metrics.scope_metrics:
            self._read_scope(resource, key, scope_metrics)
        if times_ms:
            self._add_target_info(resource, key, min(times_ms), max(times_ms))

    def _read_scope(self, resource: Any, key: bytes, scope_metrics: Any) -> None:
        try:
            base = self._translation.scope(resource, key, scope_metrics)
        except ParseError as error:
            for metric in scope_metrics.metrics:
                self._reject(metric, f"in a resource or scope {error}")
            return
        for metric in scope_metrics.metrics:
            self._read_metric(base, metric)

    def _read_metric(self, base: BaseLabels, metric: Any) -> None:
        kind = metric_kind(metric)
        if kind is MetricKind.UNKNOWN:
            self._reject(metric, f'"{metric.name}" holds data of no known type')
        elif kind is MetricKind.EXPONENTIAL_HISTOGRAM:
            reject_native(metric, self._points.rejections)
        else:
            self._read_points(base, metric, kind)

    def _read_points(self, base: BaseLabels, metric: Any, kind: MetricKind) -> None:
        try:
            series = self._translation.metric(base, metric, kind)
        except ParseError as error:
            self._reject(metric, str(error))
            return
        count = len(self._points.rows)
        self._points.read(metric, series)
        if len(self._points.rows) > count:
            self._metadata[series.name] = series.metadata(metric.description)

    def _add_target_info(self, resource: Any, key: bytes, first_ms: int, last_ms: int) -> None:
        try:
            row = self._translation.target_row(resource, key)
        except ParseError as error:
            self._points.rejections.add("target_info", f"a resource has no target_info because {error}", 0)
            return
        if row is None:
            return
        self._metadata[target_info_name(self._settings)] = _TARGET_METADATA
        times_ms = range(first_ms, last_ms, _TARGET_INFO_STEP_MS)[: 1 + self._steps_left]
        self._steps_left -= max(len(times_ms) - 1, 0)
        for timestamp_ms in (*times_ms, last_ms):
            self._points.add(row, timestamp_ms, 1.0)

    def _reject(self, metric: Any, sentence: str) -> None:
        self._points.rejections.add(INVALID, sentence, sum(1 for _ in _data_points(metric)))


def _data_points(metric: Any) -> Iterator[Any]:
    data = metric.WhichOneof("data")
    return iter(getattr(metric, data).data_points if data else ())
