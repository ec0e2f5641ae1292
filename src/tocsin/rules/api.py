"""Rules and alerts as plain data: the JSON of Prometheus' ``/api/v1/rules`` and ``/api/v1/alerts``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from tocsin.model import Matcher
from tocsin.model.timestamps import format_timestamp_ms
from tocsin.rules.alerting import ActiveAlert, AlertingRule, AlertState
from tocsin.rules.group import RuleGroup
from tocsin.rules.recording import RecordingRule

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """At most ``limit`` groups, from the one on that the token of the page before names."""

    limit: int
    token: str = ""


def describe_groups(
    groups: Iterable[RuleGroup],
    *,
    kind: str | None = None,
    rule_names: Collection[str] = (),
    group_names: Collection[str] = (),
    files: Collection[str] = (),
    selectors: Collection[Sequence[Matcher]] = (),
    with_alerts: bool = True,
    page: Page | None = None,
) -> Json:
    """The ``data`` of ``/api/v1/rules``.

    Only rules of a ``kind`` ("alert" or "record"), with one of some names, in groups with one of
    some names or of some files, and whose labels, as they are written, satisfy all matchers of one of
    ``selectors``; nothing given means all. A group none of whose rules is wanted is left out. With a
    ``page`` there is ``groupNextToken`` where more follow; raises ValueError when its token names no group.
    """
    listed = list(groups)
    if page is not None and page.token:
        listed = listed[_position(listed, page.token) :]
    wanted = _Wanted(kind, rule_names, selectors)
    described: list[Json] = []
    for group in listed:
        if (group_names and group.name not in group_names) or (files and group.definition.file not in files):
            continue
        rules = [rule for rule in group.rules if wanted.has(rule)]
        if wanted.is_narrow and not rules:
            continue
        if page is not None and len(described) == page.limit:
            return {"groups": described, "groupNextToken": _token(group)}
        described.append(_group(group, rules, with_alerts=with_alerts))
    return {"groups": described}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which rules are asked for."""

    kind: str | None
    names: Collection[str]
    selectors: Collection[Sequence[Matcher]]

    @property
    def is_narrow(self) -> bool:
        return self.kind is not None or bool(self.names or self.selectors)

    def has(self, rule: RecordingRule | AlertingRule) -> bool:
        if self.kind not in {None, _kind(rule)} or (self.names and rule.name not in self.names):
            return False
        return not self.selectors or any(
            all(matcher.matches(rule.labels.get(matcher.name, "")) for matcher in matchers)
            for matchers in self.selectors
        )


def _token(group: RuleGroup) -> str:
    """What names a group in a request for the next page."""
    file, name = group.definition.key
    return hashlib.sha256(f"{file};{name}".encode()).hexdigest()[:40]


def _position(groups: Sequence[RuleGroup], token: str) -> int:
    for position, group in enumerate(groups):
        if _token(group) == token:
            return position
    raise ValueError(f'group_next_token "{token[:80]}" names no group; were the groups changed meanwhile?')


def describe_alerts(groups: Iterable[RuleGroup]) -> Json:
    """The ``data`` of ``/api/v1/alerts``: all alerts that are pending or firing."""
    rules = (rule for group in groups for rule in group.alerting_rules)
    return {"alerts": [_alert(alert) for rule in rules for alert in _current(rule)]}


def _group(group: RuleGroup, rules: Iterable[RecordingRule | AlertingRule], *, with_alerts: bool) -> Json:
    return {
        "name": group.name,
        "file": group.definition.file,
        "rules": [_rule(rule, with_alerts=with_alerts) for rule in rules],
        "interval": group.interval_ms / 1000,
        "limit": group.definition.config.limit,
        "evaluationTime": group.duration_s,
        "lastEvaluation": format_timestamp_ms(group.last_evaluation_ms),
    }


def _rule(rule: RecordingRule | AlertingRule, *, with_alerts: bool) -> Json:
    if isinstance(rule, AlertingRule):
        return _alerting_rule(rule, with_alerts=with_alerts)
    return _recording_rule(rule)


def _kind(rule: RecordingRule | AlertingRule) -> str:
    return "alert" if isinstance(rule, AlertingRule) else "record"


def _recording_rule(rule: RecordingRule) -> Json:
    labels = {"labels": dict(rule.labels)} if rule.labels else {}
    return {"name": rule.name, "query": rule.expression, **labels, **_status(rule), "type": "recording"}


def _alerting_rule(rule: AlertingRule, *, with_alerts: bool) -> Json:
    return {
        "state": rule.state.value,
        "name": rule.name,
        "query": rule.expression,
        "duration": rule.hold_ms / 1000,
        "keepFiringFor": rule.keep_firing_ms / 1000,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
        "alerts": [_alert(alert) for alert in _current(rule)] if with_alerts else [],
        **_status(rule),
        "type": "alerting",
    }


def _status(rule: RecordingRule | AlertingRule) -> Json:
    status = rule.status
    return {
        "health": status.health.value,
        **({"lastError": status.last_error} if status.last_error else {}),
        "evaluationTime": status.duration_s,
        "lastEvaluation": format_timestamp_ms(status.last_evaluation_ms),
    }


def _current(rule: AlertingRule) -> list[ActiveAlert]:
    return [alert for alert in rule.active.values() if alert.state is not AlertState.INACTIVE]


def _alert(alert: ActiveAlert) -> Json:
    kept_since_ms = alert.keep_firing_since_ms
    kept = {} if kept_since_ms is None else {"keepFiringSince": format_timestamp_ms(kept_since_ms)}
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": format_timestamp_ms(alert.active_at_ms),
        **kept,
        "value": _scientific(alert.value),
    }


def _scientific(value: float) -> str:
    """Write a number as Go's ``FormatFloat(v, 'e', -1, 64)`` does.

    >>> _scientific(1.0), _scientific(85.25)
    ('1e+00', '8.525e+01')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")
    digits = len(Decimal(repr(value)).normalize().as_tuple().digits)
    return f"{value:.{digits - 1}e}"
