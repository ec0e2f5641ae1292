"""The JSON of Prometheus' API as labels and arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tocsin.model import STALE_NAN, Labels, Matcher, MetricMetadata, MetricType


class Samples(NamedTuple):
    """The samples of one series, in order of time."""

    labels: Labels
    timestamps_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def read_matrix(result: Sequence[Mapping[str, Any]]) -> list[Samples]:
    """The series of a matrix; native histograms are left out.

    >>> read_matrix([{"metric": {"__name__": "up"}, "values": [[1.5, "+Inf"]]}])[0].values.tolist()
    [inf]
    """
    return [
        Samples(Labels(series["metric"]), _times_ms(points), _values(points))
        for series in result
        if (points := series.get("values"))
    ]


def read_vector(result: Sequence[Mapping[str, Any]]) -> list[tuple[Labels, float]]:
    """The series of an instant vector; native histograms are left out."""
    return [(Labels(series["metric"]), float(series["value"][1])) for series in result if "value" in series]


def has_histograms(result: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether native histograms are among the series."""
    return any("histogram" in series or "histograms" in series for series in result)


def read_metadata(data: Mapping[str, Sequence[Mapping[str, str]]]) -> dict[str, MetricMetadata]:
    """Type, help and unit by family; of several words about one the first counts."""
    return {
        family: MetricMetadata(
            _metric_type(known[0].get("type", "")), known[0].get("help", ""), known[0].get("unit", "")
        )
        for family, known in data.items()
        if known
    }


def selector_text(matchers: Sequence[Matcher]) -> str:
    """A selector as PromQL; as engines refuse one that any series satisfies, it then asks for a name.

    >>> selector_text(())
    '{__name__!=""}'
    """
    texts = [str(matcher) for matcher in matchers]
    if all(matcher.matches_empty for matcher in matchers):
        texts.append('__name__!=""')
    return "{" + ",".join(texts) + "}"


def seconds(duration_ms: int) -> str:
    """Milliseconds as the API wants them.

    >>> seconds(1_700_000_000_120), seconds(-5)
    ('1700000000.120', '-0.005')
    """
    return f"{'-' if duration_ms < 0 else ''}{abs(duration_ms) // 1000}.{abs(duration_ms) % 1000:03d}"


def nan_as_marker(samples: Samples) -> Samples:
    """Samples whose every NaN is a staleness marker, as VictoriaMetrics gives them."""
    values = np.where(np.isnan(samples.values), STALE_NAN, samples.values)
    return samples._replace(values=values)


def _times_ms(points: Sequence[Sequence[Any]]) -> npt.NDArray[np.int64]:
    times_s = np.array([point[0] for point in points], dtype=np.float64)
    return np.rint(times_s * 1000).astype(np.int64)


def _values(points: Sequence[Sequence[Any]]) -> npt.NDArray[np.float64]:
    return np.array([float(point[1]) for point in points], dtype=np.float64)


def _metric_type(name: str) -> MetricType:
    return MetricType(name) if name in set(MetricType) else MetricType.UNKNOWN
