"""Inhibition: alerts that are not told while another says more.

Source: prometheus.io/docs/alerting/latest/configuration/#inhibit_rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from tocsin.alerts.store import KnownAlert
from tocsin.model import Labels, Matcher

EqualValues: TypeAlias = tuple[str, ...]


class InhibitRule(Protocol):
    """Alerts that satisfy ``target`` are not told while one that satisfies ``source`` fires.

    The two have the same values of the labels ``equal``; what is absent counts as empty.
    """

    @property
    def source(self) -> Sequence[Matcher]: ...  # noqa: D102 - the class says it

    @property
    def target(self) -> Sequence[Matcher]: ...  # noqa: D102

    @property
    def equal(self) -> Sequence[str]: ...  # noqa: D102


class Inhibitor:
    """Knows the sources of all rules; ``put`` keeps that up to date."""

    def __init__(self, rules: Iterable[InhibitRule]) -> None:
        self._rules = [_Sources(rule) for rule in rules]

    def put(self, known: KnownAlert) -> None:
        """Note what is known of an alert."""
        for rule in self._rules:
            rule.put(known)

    def muting(self, labels: Labels, now_ms: int) -> list[Labels]:
        """The alerts, one of each rule, because of which an alert is not told now."""
        found = (rule.muting(labels, now_ms) for rule in self._rules)
        return [source for source in found if source is not None]

    def collect(self, now_ms: int) -> None:
        """Forget sources that are over."""
        for rule in self._rules:
            rule.collect(now_ms)


@dataclass(slots=True)
class _Sources:
    """The alerts that are sources of one rule, by their values of the labels that must be equal."""

    rule: InhibitRule
    alerts: dict[EqualValues, dict[Labels, KnownAlert]] = field(default_factory=dict)

    def put(self, known: KnownAlert) -> None:
        labels = known.alert.labels
        if _satisfies(labels, self.rule.source):
            self.alerts.setdefault(self._equal(labels), {})[labels] = known

    def muting(self, labels: Labels, now_ms: int) -> Labels | None:
        candidates = self.alerts.get(self._equal(labels))
        if not candidates or not _satisfies(labels, self.rule.target):
            return None
        # An alert that is both must not be muted by itself, or by others that are both.
        is_source_too = _satisfies(labels, self.rule.source)
        for source, known in candidates.items():
            if known.is_resolved(now_ms) or (is_source_too and _satisfies(source, self.rule.target)):
                continue
            return source
        return None

    def collect(self, now_ms: int) -> None:
        for values, candidates in list(self.alerts.items()):
            for labels in [each for each, known in candidates.items() if known.is_resolved(now_ms)]:
                del candidates[labels]
            if not candidates:
                del self.alerts[values]

    def _equal(self, labels: Mapping[str, str]) -> EqualValues:
        return tuple(labels.get(name, "") for name in self.rule.equal)


def _satisfies(labels: Mapping[str, str], matchers: Sequence[Matcher]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
