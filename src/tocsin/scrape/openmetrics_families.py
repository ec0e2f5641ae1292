"""What OpenMetrics 1.0 demands of whole metric families, for ``tocsin check metrics``.

Source: prometheus.io/docs/specs/om/open_metrics_spec. A text that passes is one that every strict parser
accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import inf, isnan
from typing import Final, NamedTuple, TypeAlias

from tocsin.errors import ParseError
from tocsin.model import METRIC_NAME, MetricType
from tocsin.scrape.openmetrics import Exemplar, OpenMetricsFormat, parse_line
from tocsin.scrape.syntax import Comment, parse_series

_SUFFIXES: Final[dict[MetricType, tuple[str, ...]]] = {
    MetricType.COUNTER: ("_total", "_created"),
    MetricType.SUMMARY: ("", "_count", "_sum", "_created"),
    MetricType.HISTOGRAM: ("_count", "_sum", "_bucket", "_created"),
    MetricType.GAUGE_HISTOGRAM: ("_gcount", "_gsum", "_bucket"),
    MetricType.INFO: ("_info",),
}
_HISTOGRAMS: Final = frozenset({MetricType.HISTOGRAM, MetricType.GAUGE_HISTOGRAM})
_WITHOUT_UNIT: Final = frozenset({MetricType.INFO, MetricType.STATESET})
_NEVER_NAN: Final = frozenset({"_total", "_sum", "_count", "_bucket", "_gcount", "_gsum"})
_NEVER_NEGATIVE: Final = _NEVER_NAN - {"_gsum"}
_WHOLE: Final = frozenset({"_bucket", "_count", "_gcount"})

Group: TypeAlias = "frozenset[tuple[str, str]]"


class _Sample(NamedTuple):
    suffix: str
    labels: dict[str, str]
    value: float
    timestamp_s: float | None
    exemplar: Exemplar | None


@dataclass(slots=True)
class _Family:
    name: str
    type: MetricType = MetricType.UNKNOWN
    unit: str = ""
    keywords: set[str] = field(default_factory=set)
    samples: list[_Sample] = field(default_factory=list)
    groups: set[Group] = field(default_factory=set)
    series_now: set[tuple[str, Group]] = field(default_factory=set)

    @property
    def suffixes(self) -> tuple[str, ...]:
        return _SUFFIXES.get(self.type, ("",))

    def owns(self, sample_name: str) -> bool:
        return any(sample_name == self.name + suffix for suffix in self.suffixes)

    def group_of(self, sample: _Sample) -> Group:
        """The labels that the samples of one metric share: all but those that tell its parts apart."""
        if self.type is MetricType.INFO:
            return frozenset()
        part = _PART_LABEL.get((self.type, sample.suffix), "")
        if self.type is MetricType.STATESET:
            part = self.name
        return frozenset(pair for pair in sample.labels.items() if pair[0] != part)


_PART_LABEL: Final = {
    (MetricType.SUMMARY, ""): "quantile",
    (MetricType.HISTOGRAM, "_bucket"): "le",
    (MetricType.GAUGE_HISTOGRAM, "_bucket"): "le",
}


def check_openmetrics(body: bytes) -> int:
    """Check a text against the whole of OpenMetrics 1.0 and return the number of its samples.

    Raises ParseError, which names the line (of a fault in a whole family, the first line behind it).
    """
    text_format = OpenMetricsFormat()
    lines = text_format.lines(body)
    checker = _Checker()
    for number, line in enumerate([*lines, b"# EOF"], start=1):
        try:
            if number > len(lines):
                checker.close_family()
            elif line.startswith(b"#"):
                checker.take_comment(text_format.comment(line))
            else:
                checker.take_sample(line)
        except ParseError as error:
            raise ParseError(error.message, line=number) from error
    return checker.sample_count


class _Checker:
    """Follows the families of a text from its first line to its last."""

    def __init__(self) -> None:
        self.sample_count = 0
        self._family: _Family | None = None
        self._taken_names: set[str] = set()

    def take_comment(self, comment: Comment) -> None:
        family = self._family
        if family is None or comment.family != family.name:
            family = self._start_family(comment.family)
        if family.samples:
            raise ParseError(f'metadata of "{family.name}" stands behind its samples')
        if comment.keyword in family.keywords:
            raise ParseError(f'the {comment.keyword} of "{family.name}" stands twice')
        family.keywords.add(comment.keyword)
        if comment.keyword == "TYPE":
            family.type = MetricType(comment.text)
        elif comment.keyword == "UNIT":
            family.unit = comment.text

    def take_sample(self, line: bytes) -> None:
        parsed = parse_line(line)
        labels = parse_series(parsed.series)
        name = labels.pop(METRIC_NAME)
        family = self._family
        if family is None or not family.owns(name):
            family = self._start_family(name)
        suffix = name[len(family.name) :]
        sample = _Sample(suffix, labels, parsed.value, parsed.timestamp_s, parsed.exemplar)
        for check in _SAMPLE_CHECKS:
            check(family, sample)
        _add_to_group(family, sample)
        self.sample_count += 1

    def _start_family(self, name: str) -> _Family:
        self.close_family()
        self._family = _Family(name)
        return self._family

    def close_family(self) -> None:
        family = self._family
        if family is None:
            return
        names = {family.name, *(family.name + suffix for suffix in family.suffixes)}
        if clashing := sorted(names & self._taken_names):
            raise ParseError(f'the name "{clashing[0]}" belongs to two metric families')
        self._taken_names |= names
        for check in _FAMILY_CHECKS:
            check(family)


def _add_to_group(family: _Family, sample: _Sample) -> None:
    """Keep a sample, unless it repeats a series at the same time; metrics must not be interleaved."""
    group = family.group_of(sample)
    last = family.samples[-1] if family.samples else None
    same_group = last is not None and family.group_of(last) == group
    if last is not None and not same_group and group in family.groups:
        raise ParseError(f'the samples of one metric of "{family.name}" do not stand together')
    if last is not None and same_group:
        _check_time(family, last, sample)
    series = (sample.suffix, frozenset(sample.labels.items()))
    if not same_group or last is None or last.timestamp_s != sample.timestamp_s:
        family.series_now.clear()
    if series not in family.series_now:
        family.samples.append(sample)
    family.series_now.add(series)
    family.groups.add(group)


def _check_time(family: _Family, last: _Sample, sample: _Sample) -> None:
    if (last.timestamp_s is None) != (sample.timestamp_s is None):
        raise ParseError(f'a metric of "{family.name}" has samples with and without a timestamp')
    backwards = (sample.timestamp_s or 0) < (last.timestamp_s or 0)
    if backwards and family.type is not MetricType.INFO:
        raise ParseError(f'the timestamps of a metric of "{family.name}" go backwards')


def _check_state(family: _Family, sample: _Sample) -> None:
    if family.type is MetricType.STATESET:
        if family.name not in sample.labels:
            raise ParseError(f'a sample of the stateset "{family.name}" lacks the label "{family.name}"')
        if sample.value not in {0, 1}:
            raise ParseError(f'a state of "{family.name}" is {sample.value:g} (allowed: 0 and 1)')
    if family.type is MetricType.INFO and sample.value != 1:
        raise ParseError(f'the info "{family.name}" has the value {sample.value:g} (allowed: 1)')


def _check_bucket_label(family: _Family, sample: _Sample) -> None:
    if family.type in _HISTOGRAMS and sample.suffix == "_bucket":
        bound = _number(sample.labels.get("le", ""))
        if isnan(bound) or (bound == inf and sample.labels["le"] != "+Inf"):
            raise ParseError(f'a bucket of "{family.name}" has no valid label le (a number or +Inf)')


def _check_quantile(family: _Family, sample: _Sample) -> None:
    if family.type is MetricType.SUMMARY and not sample.suffix:
        if not 0 <= _number(sample.labels.get("quantile", "")) <= 1:
            raise ParseError(f'a sample of the summary "{family.name}" has no label quantile from 0 to 1')
        if sample.value < 0:
            raise ParseError(f'a quantile of "{family.name}" is negative: {sample.value:g}')


def _check_count(family: _Family, sample: _Sample) -> None:
    name = family.name + sample.suffix
    if sample.suffix in _NEVER_NAN and isnan(sample.value):
        raise ParseError(f'the value of "{name}" is NaN')
    if sample.suffix in _NEVER_NEGATIVE and sample.value < 0:
        raise ParseError(f'the value of "{name}" is negative: {sample.value:g}')
    if sample.suffix in _WHOLE and not sample.value.is_integer():
        raise ParseError(f'the value of "{name}" is not a whole number: {sample.value:g}')


def _check_exemplar(family: _Family, sample: _Sample) -> None:
    if sample.exemplar is None:
        return
    of_bucket = family.type in _HISTOGRAMS and sample.suffix == "_bucket"
    of_counter = family.type is MetricType.COUNTER and sample.suffix == "_total"
    if not of_bucket and not of_counter:
        raise ParseError(
            f'"{family.name}{sample.suffix}" must not have an exemplar (buckets and counters may)'
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check_unit(family: _Family) -> None:
    if not family.unit:
        return
    if not family.name.endswith(f"_{family.unit}"):
        raise ParseError(f'the name "{family.name}" does not end in its unit "{family.unit}"')
    if family.type in _WITHOUT_UNIT:
        raise ParseError(f'the {family.type} "{family.name}" must not have a unit')


def _check_histograms(family: _Family) -> None:
    if family.type in _HISTOGRAMS:
        for histogram in _histograms(family):
            _check_buckets(family.name, [s for s in histogram if s.suffix == "_bucket"])
            _check_histogram(family.name, histogram)


def _histograms(family: _Family) -> Iterator[list[_Sample]]:
    for _, samples in groupby(family.samples, key=lambda s: (family.group_of(s), s.timestamp_s)):
        yield list(samples)


def _check_buckets(name: str, buckets: list[_Sample]) -> None:
    bounds = [float(bucket.labels["le"]) for bucket in buckets]
    if not bounds or bounds[-1] != inf:
        raise ParseError(f'the histogram "{name}" does not end in a bucket le="+Inf"')
    if any(lower >= upper for lower, upper in pairwise(bounds)):
        raise ParseError(f'the buckets of "{name}" are not in rising order of le')
    counts = [bucket.value for bucket in buckets]
    if any(lower > upper for lower, upper in pairwise(counts)):
        raise ParseError(f'the counts of the buckets of "{name}" fall')


def _check_histogram(name: str, histogram: list[_Sample]) -> None:
    values = {sample.suffix: sample.value for sample in histogram}
    count = values.get("_count", values.get("_gcount"))
    if count is not None and count != values["_bucket"]:
        raise ParseError(f'the count of "{name}" differs from its bucket le="+Inf"')
    if (count is None) == ("_sum" in values or "_gsum" in values):
        raise ParseError(f'"{name}" has only one of sum and count')
    has_negative_bounds = any(float(s.labels["le"]) < 0 for s in histogram if s.suffix == "_bucket")
    if has_negative_bounds and "_sum" in values:
        raise ParseError(f'"{name}" has a sum although a bucket is negative')
    if not has_negative_bounds and values.get("_gsum", 0) < 0:
        raise ParseError(f'"{name}" has a negative sum although no bucket is negative')


_SAMPLE_CHECKS: Final[tuple[Callable[[_Family, _Sample], None], ...]] = (
    _check_state,
    _check_bucket_label,
    _check_quantile,
    _check_count,
    _check_exemplar,
)
_FAMILY_CHECKS: Final[tuple[Callable[[_Family], None], ...]] = (_check_unit, _check_histograms)
