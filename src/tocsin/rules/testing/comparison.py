"""Whether rules did what a test expects: alerts by labels and annotations, samples by labels and value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tocsin.model import Labels, format_duration_ms
from tocsin.model.alert import ALERT_NAME
from tocsin.promql.points import parse_labels
from tocsin.rules.testing.file import AlertCheckConfig, ExpectedSampleConfig, QueryCheckConfig
from tocsin.rules.testing.report import Failure

Pairs = tuple[tuple[str, str], ...]
"""Labels or annotations in order; other than in Labels an empty value stays."""


def compare_alerts(
    check: AlertCheckConfig, firing: Sequence[tuple[Labels, Mapping[str, str]]]
) -> Failure | None:
    """Compare the alerts of one name that fire; None when they are as expected, in whatever order."""
    expected = sorted(
        (_pairs({**alert.labels, ALERT_NAME: check.alert}), _pairs(alert.annotations))
        for alert in check.expected
    )
    got = sorted((labels.pairs, _pairs(annotations)) for labels, annotations in firing)
    if expected == got:
        return None
    return Failure(title_of_alerts(check), _alert_lines(expected), _alert_lines(got))


def compare_samples(
    check: QueryCheckConfig, got: Sequence[tuple[Labels, float]], *, is_fuzzy: bool
) -> Failure | None:
    """Compare what an expression yields; None when it is as expected, in whatever order."""
    try:
        expected = [_sample(sample) for sample in check.expected]
    except ValueError as error:
        return Failure(title_of_query(check), error=str(error))
    expected.sort(key=_by_labels)
    ordered = sorted(got, key=_by_labels)
    if len(expected) == len(ordered) and all(
        one[0] == other[0] and is_same(one[1], other[1], is_fuzzy=is_fuzzy)
        for one, other in zip(expected, ordered, strict=True)
    ):
        return None
    return Failure(title_of_query(check), _sample_lines(expected), _sample_lines(ordered))


def is_same(expected: float, got: float, *, is_fuzzy: bool) -> bool:
    """Whether two values are equal, or fuzzily neighbours; NaN, as in promtool, equals nothing.

    >>> is_same(3.0, 2.9999999999999996, is_fuzzy=True)
    True
    """
    if expected == got:
        return True
    return is_fuzzy and got in {math.nextafter(expected, -math.inf), math.nextafter(expected, math.inf)}


def title_of_alerts(check: AlertCheckConfig) -> str:
    """What a check of alerts is called."""
    return f"alert {check.alert} at {format_duration_ms(check.at_ms)}"


def title_of_query(check: QueryCheckConfig) -> str:
    """What a check of an expression is called."""
    return f"{' '.join(check.expression.split())} at {format_duration_ms(check.at_ms)}"


def write_pairs(pairs: Pairs) -> str:
    """Labels or annotations as text."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in pairs) + "}"


def _pairs(labels: Mapping[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))


def _sample(sample: ExpectedSampleConfig) -> tuple[Labels, float]:
    try:
        return parse_labels(sample.labels.strip()), sample.value
    except ValueError as error:
        raise ValueError(f'the labels "{sample.labels}" cannot be read: {error}') from None


def _by_labels(sample: tuple[Labels, float]) -> tuple[Pairs, float]:
    labels, value = sample
    return labels.pairs, math.inf if math.isnan(value) else value


def _alert_lines(alerts: Sequence[tuple[Pairs, Pairs]]) -> tuple[str, ...]:
    return tuple(
        write_pairs(labels) + (f" annotations {write_pairs(annotations)}" if annotations else "")
        for labels, annotations in alerts
    )


def _sample_lines(samples: Sequence[tuple[Labels, float]]) -> tuple[str, ...]:
    return tuple(f"{labels} {value!r}" for labels, value in samples)
