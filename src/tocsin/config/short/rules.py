"""The short forms as a rule file, so that they are read, checked and run as every other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tocsin.config.short.alerts import AlertRuleConfig, AlertsConfig
from tocsin.config.short.monitoring import MonitoringConfig
from tocsin.config.short.thresholds import PLATEAU_RECORDS, Threshold, thresholds_of
from tocsin.config.source import Data, Place, Source
from tocsin.model import format_duration_ms

ALERTS_GROUP: Final = "alerts"
THRESHOLDS_GROUP: Final = "thresholds"
TRENDS_GROUP: Final = "threshold_trends"

_INTERVAL_MS: Final = 1000
_TREND_INTERVAL_MS: Final = 5000
"""Trends look back over minutes or a day, which costs more."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule of a rule file, and where the short form stands that it is made of."""

    data: dict[str, Data]
    place: Place
    message_place: Place


@dataclass(slots=True)
class _Lines:
    """The lines of a rule file that nobody has written: those of the short forms."""

    source: Source
    lines: dict[Place, int] = field(default_factory=dict)

    def put(self, place: Place, origin: Place) -> None:
        line = self.source.line_of(origin)
        if line is not None:
            self.lines[place] = line


def rule_file(monitoring: MonitoringConfig, alerts: AlertsConfig, source: Source) -> Source:
    """A rule file that says what short forms mean, with the lines at which ``source`` has them."""
    interval_ms = monitoring.update_frequency or _INTERVAL_MS
    trend_interval_ms = max(interval_ms, _TREND_INTERVAL_MS)
    thresholds = list(thresholds_of(monitoring))
    groups = (
        (ALERTS_GROUP, interval_ms, [_alert(name, rule) for name, rule in alerts.rules.items()]),
        (THRESHOLDS_GROUP, interval_ms, [_threshold(each) for each in thresholds if not each.is_trend]),
        (TRENDS_GROUP, trend_interval_ms, list(_trends(thresholds))),
    )
    lines = _Lines(source)
    written = [group for group in groups if group[2]]
    data: Data = [
        {"name": name, "interval": format_duration_ms(interval_ms), "rules": [rule.data for rule in rules]}
        for name, interval_ms, rules in written
    ]
    for group, (_, _, rules) in enumerate(written):
        for number, rule in enumerate(rules):
            place = ("groups", group, "rules", number)
            lines.put(place, rule.place)
            lines.put((*place, "annotations"), rule.message_place)
    return Source(source.file, {"groups": data}, lines.lines)


def _alert(name: str, rule: AlertRuleConfig) -> _Rule:
    place = ("alerts", "rules", name)
    message = rule.message or f"{literal(name)} is at {{{{ $value | humanize }}}}"
    return _Rule(
        {
            "alert": name,
            "expr": rule.condition,
            "for": format_duration_ms(rule.hold),
            "labels": {"severity": rule.severity},
            "annotations": {
                "summary": message,
                "description": literal(f"Condition: {rule.condition.strip()}"),
            },
        },
        (*place, "condition"),
        (*place, "message"),
    )


def _threshold(threshold: Threshold) -> _Rule:
    place = ("monitoring", "thresholds", threshold.section, threshold.key)
    return _Rule(
        {
            "alert": threshold.alert,
            "expr": threshold.expr,
            "for": threshold.hold,
            "keep_firing_for": threshold.keep_firing,
            "labels": {"severity": threshold.severity},
            "annotations": {
                "summary": threshold.summary,
                "description": f"The threshold is monitoring.{'.'.join(place[1:])} of the configuration.",
                "runbook": "docs/thresholds.md",
            },
        },
        place,
        place,
    )


def _trends(thresholds: list[Threshold]) -> Iterator[_Rule]:
    for threshold in thresholds:
        if threshold.is_trend:
            rule = _threshold(threshold)
            if threshold.key == "loss_plateau_patience":
                for name, expr in PLATEAU_RECORDS:
                    yield _Rule({"record": name, "expr": expr}, rule.place, rule.place)
            yield rule


def literal(text: str) -> str:
    """A template that gives a text back as it is.

    >>> literal("a{{b")
    'a{{ "{{" }}b'
    """
    return text.replace("{{", '{{ "{{" }}')
