"""Series that were seen before, so that names and attributes are translated once and not in each request."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from tocsin.model import METRIC_NAME, Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.receive.otlp.labels import (
    identity_labels,
    point_labels,
    promoted_labels,
    scope_labels,
    target_info_labels,
)
from tocsin.receive.otlp.names import LabelNamer, MetricKind, MetricNamer
from tocsin.receive.otlp.numbers import plain_number
from tocsin.receive.otlp.settings import OtlpSettings
from tocsin.receive.otlp.units import unit_name

_Rows = TypeVar("_Rows")

_TYPES: Final = {
    MetricKind.GAUGE: MetricType.GAUGE,
    MetricKind.MONOTONIC_COUNTER: MetricType.COUNTER,
    MetricKind.NON_MONOTONIC_COUNTER: MetricType.GAUGE,
    MetricKind.HISTOGRAM: MetricType.HISTOGRAM,
    MetricKind.EXPONENTIAL_HISTOGRAM: MetricType.HISTOGRAM,
    MetricKind.SUMMARY: MetricType.SUMMARY,
}


# What an entry takes beside its key, roughly: labels, tuples, places in dictionaries.
_ENTRY_BYTES: Final = 1000


class SeriesBook:
    """Numbers the series of a decoder; a sample then needs only the number of its series.

    ``size_bytes`` estimates what is remembered here and wherever :meth:`note` is called.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        self._row_of_labels: dict[Labels, int] = {}
        self._series: list[Labels] = []

    def note(self, key_bytes: int) -> None:
        """Count one more entry of something that lasts as long as this book."""
        self.size_bytes += key_bytes + _ENTRY_BYTES

    def row(self, labels: Labels) -> int:
        """The number of a series."""
        row = self._row_of_labels.setdefault(labels, len(self._series))
        if row == len(self._series):
            self._series.append(labels)
            self.note(0)
        return row

    def labels(self, row: int) -> Labels:
        """The series that has a number."""
        return self._series[row]

    def batch(
        self, rows: Sequence[int], timestamps_ms: Sequence[int], values: Sequence[float]
    ) -> SampleBatch:
        """Samples as a batch that names only the series it holds."""
        used, index = np.unique(np.array(rows, dtype=np.int64), return_inverse=True)
        return SampleBatch(
            [self._series[row] for row in used],
            index,
            np.array(timestamps_ms, dtype=np.int64),
            np.array(values, dtype=np.float64),
        )


class HistogramRows(NamedTuple):
    """The series of one classic histogram; ``buckets`` has one for each finite bound."""

    count_row: int
    sum_row: int
    infinite_row: int
    bucket_rows: tuple[int, ...]


class SummaryRows(NamedTuple):
    """The series of one summary."""

    count_row: int
    sum_row: int
    quantile_rows: tuple[int, ...]


@dataclass(slots=True)
class MetricSeries:
    """The series of one metric, by what is left of a data point without its values: its attributes."""

    name: str
    unit: str
    kind: MetricKind
    _book: SeriesBook
    _base: BaseLabels
    _rows: dict[Hashable, Any] = field(default_factory=dict)

    def metadata(self, description: str) -> MetricMetadata:
        """Type, help text and unit of this metric."""
        return MetricMetadata(_TYPES[self.kind], description, self.unit)

    def number_row(self, key: bytes, attributes: Iterable[Any]) -> int:
        """The series of a number; raises ParseError when an attribute cannot become a label."""
        row = self._rows.get(key)
        if row is None:
            row = self._remember(key, key, self._row(self._base.of(attributes)))
        return int(row)

    def histogram_rows(self, key: bytes, attributes: Iterable[Any], bounds: Iterable[float]) -> HistogramRows:
        """The series of a classic histogram; ``key`` must tell its bounds as well. Raises ParseError."""
        rows: HistogramRows | None = self._rows.get(key)
        if rows is None:
            labels = self._base.of(attributes)
            rows = HistogramRows(
                self._row(labels, "_count"),
                self._row(labels, "_sum"),
                self._row(labels, "_bucket", le="+Inf"),
                tuple(self._row(labels, "_bucket", le=plain_number(bound)) for bound in bounds),
            )
            self._remember(key, key, rows)
        return rows

    def summary_rows(
        self, key: bytes, attributes: Iterable[Any], quantiles: tuple[float, ...]
    ) -> SummaryRows:
        """The series of a summary. Raises ParseError when an attribute cannot become a label."""
        rows: SummaryRows | None = self._rows.get((key, quantiles))
        if rows is None:
            labels = self._base.of(attributes)
            rows = SummaryRows(
                self._row(labels, "_count"),
                self._row(labels, "_sum"),
                tuple(self._row(labels, quantile=plain_number(each)) for each in quantiles),
            )
            self._remember((key, quantiles), key, rows)
        return rows

    def _remember(self, full_key: Hashable, key: bytes, rows: _Rows) -> _Rows:
        self._book.note(len(key))
        self._rows[full_key] = rows
        return rows

    def _row(self, labels: Mapping[str, str], suffix: str = "", **more: str) -> int:
        return self._book.row(Labels({**labels, **more, METRIC_NAME: self.name + suffix}))


@dataclass(frozen=True, slots=True)
class BaseLabels:
    """What all series of one scope of one resource have in common."""

    promoted: Mapping[str, str]
    fixed: Mapping[str, str]
    namer: LabelNamer

    def of(self, attributes: Iterable[Any]) -> dict[str, str]:
        """The labels of a data point without its metric's name."""
        return point_labels(attributes, self.promoted, self.fixed, self.namer)


class Translation:
    """Finds the series of metrics, and remembers them until it is thrown away."""

    def __init__(self, settings: OtlpSettings) -> None:
        self.book = SeriesBook()
        self._settings = settings
        self._metric_namer: MetricNamer = settings.metric_namer()
        self._label_namer = settings.label_namer()
        self._scopes: dict[tuple[bytes, bytes, str], BaseLabels] = {}
        self._metrics: dict[tuple[int, str, str, MetricKind], MetricSeries] = {}
        self._target_rows: dict[bytes, int | None] = {}

    def scope(self, resource: Any, key: bytes, scope_metrics: Any) -> BaseLabels:
        """What the series of a scope have in common; ``key`` is its resource as bytes."""
        scope, schema_url = scope_metrics.scope, scope_metrics.schema_url
        full_key = (key, scope.SerializeToString(), schema_url)
        base = self._scopes.get(full_key)
        if base is None:
            fixed = {**identity_labels(resource), **scope_labels(scope, schema_url, self._settings)}
            promoted = promoted_labels(resource, self._settings)
            base = self._scopes[full_key] = BaseLabels(promoted, fixed, self._label_namer)
            self.book.note(len(key) + len(full_key[1]))
        return base

    def metric(self, base: BaseLabels, metric: Any, kind: MetricKind) -> MetricSeries:
        """The series of a metric; raises ParseError when its name cannot be translated."""
        key = (id(base), metric.name, metric.unit, kind)
        series = self._metrics.get(key)
        if series is None:
            name = self._metric_namer.name(metric.name, metric.unit, kind)
            unit = unit_name(metric.unit, utf8_allowed=self._metric_namer.utf8_allowed)
            series = self._metrics[key] = MetricSeries(name, unit, kind, self.book, base)
            self.book.note(len(name))
        return series

    def target_row(self, resource: Any, key: bytes) -> int | None:
        """The series with the attributes of a resource, if it has one; raises ParseError."""
        if key not in self._target_rows:
            labels = target_info_labels(resource, self._settings)
            self._target_rows[key] = None if labels is None else self.book.row(labels)
            self.book.note(len(key))
        return self._target_rows[key]
