"""What a metric with its labels has become so far: counters, gauges, histograms, summaries."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from tocsin.config.statsd import HistogramOptions, SummaryOptions
from tocsin.model import METRIC_NAME, Labels, MetricType
from tocsin.receive.statsd.digest import WindowedDigest

_MAX_AGE_MS: Final = 600_000
_AGE_BUCKETS: Final = 5

# Observations wait to be sorted in one go; this many are at most kept waiting.
_MAX_WAITING: Final = 8192


class Series:
    """One metric with one set of labels; ``labels`` names the series that it is stored as, in order.

    ``is_fresh`` says that an event came since the last flush, ``seen_ms`` when one last did, and
    ``ttl_ms`` how long the series outlives it; 0 means for ever.
    """

    __slots__ = ("is_ended", "is_fresh", "labels", "metric_name", "seen_ms", "ttl_ms")

    type: MetricType

    def __init__(self, metric_name: str, labels: tuple[Labels, ...]) -> None:
        self.metric_name = metric_name
        self.labels = labels
        self.ttl_ms = 0
        self.seen_ms = 0
        self.is_fresh = True
        self.is_ended = False


class Counter(Series):
    """A sum that only rises."""

    __slots__ = ("value",)

    type = MetricType.COUNTER

    def __init__(self, metric_name: str, labels: Mapping[str, str]) -> None:
        super().__init__(metric_name, (_labels(metric_name, labels),))
        self.value = 0.0


class Gauge(Series):
    """The last value, or the sum of the moves since."""

    __slots__ = ("value",)

    type = MetricType.GAUGE

    def __init__(self, metric_name: str, labels: Mapping[str, str]) -> None:
        super().__init__(metric_name, (_labels(metric_name, labels),))
        self.value = 0.0


class Histogram(Series):
    """Cumulative counts by upper bound, with sum and count."""

    __slots__ = ("_bounds", "_counts", "_sum")

    type = MetricType.HISTOGRAM

    def __init__(self, metric_name: str, labels: Mapping[str, str], options: HistogramOptions) -> None:
        self._bounds = options.buckets
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        bounds = [*map(_number, self._bounds), "+Inf"]
        buckets = (_labels(f"{metric_name}_bucket", {**labels, "le": bound}) for bound in bounds)
        super().__init__(metric_name, (*buckets, *_sum_and_count(metric_name, labels)))

    def observe(self, value: float, count: int) -> None:
        """Count a value, seen ``count`` times."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def values(self, _now_ms: int) -> list[float]:
        """Buckets, sum and count, in the order of ``labels``."""
        cumulative = list(accumulate(self._counts))
        return [*cumulative, self._sum, cumulative[-1]]


class Summary(Series):
    """Quantiles over a sliding time, with the sum and count of all time."""

    __slots__ = (
        *("_count", "_counts", "_digest", "_quantiles", "_quantiles_ms", "_shares", "_sum"),
        *("_values", "_waiting_ms"),
    )

    type = MetricType.SUMMARY

    def __init__(
        self, metric_name: str, labels: Mapping[str, str], options: SummaryOptions, now_ms: int
    ) -> None:
        self._shares = sorted({each.quantile for each in options.quantiles})
        self._digest = WindowedDigest(options.max_age or _MAX_AGE_MS, options.age_buckets or _AGE_BUCKETS)
        self._sum = 0.0
        self._count = 0
        self._values: list[float] = []
        self._counts: list[int] = []
        self._waiting_ms = now_ms
        self._quantiles: list[float] = []
        self._quantiles_ms: int | None = None
        shares = (_labels(metric_name, {**labels, "quantile": _number(share)}) for share in self._shares)
        super().__init__(metric_name, (*shares, *_sum_and_count(metric_name, labels)))

    def observe(self, value: float, count: int) -> None:
        """Count a value, seen ``count`` times."""
        self._values.append(value)
        self._counts.append(count)
        self._sum += value * count
        self._count += count
        if len(self._values) >= _MAX_WAITING:
            self._sort_in(self._waiting_ms)

    def prepare(self, now_ms: int) -> None:
        """Compute the quantiles of a time, so that :meth:`values` at that time is quick."""
        self._sort_in(now_ms)
        self._quantiles = self._digest.quantiles(self._shares, now_ms)
        self._quantiles_ms = now_ms

    def values(self, now_ms: int) -> list[float]:
        """Quantiles, sum and count, in the order of ``labels``."""
        if self._quantiles_ms != now_ms:
            self.prepare(now_ms)
        return [*self._quantiles, self._sum, self._count]

    def _sort_in(self, now_ms: int) -> None:
        """Observations between two flushes count as of the first where they cannot wait for the second."""
        self._waiting_ms = now_ms
        if self._values:
            self._digest.add(self._values, self._counts, now_ms)
            self._values, self._counts = [], []


Observer: TypeAlias = Histogram | Summary
AnySeries: TypeAlias = Counter | Gauge | Histogram | Summary


def _labels(metric_name: str, labels: Mapping[str, str]) -> Labels:
    return Labels({**labels, METRIC_NAME: metric_name})


def _sum_and_count(metric_name: str, labels: Mapping[str, str]) -> Sequence[Labels]:
    return [_labels(f"{metric_name}_sum", labels), _labels(f"{metric_name}_count", labels)]


def _number(value: float) -> str:
    """A bound as the exporter writes it: without a fraction where there is none."""
    return repr(value).removesuffix(".0")
