"""Rules and alerts as plain data: the JSON of Prometheus' ``/api/v1/rules`` and ``/api/v1/alerts``."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, TypeAlias

from tocsin.model.timestamps import format_timestamp_ms
from tocsin.rules.alerting import ActiveAlert, AlertingRule, AlertState
from tocsin.rules.group import RuleGroup
from tocsin.rules.recording import RecordingRule

Json: TypeAlias = dict[str, Any]


def describe_groups(
    groups: Iterable[RuleGroup],
    *,
    kind: str | None = None,
    rule_names: Collection[str] = (),
    group_names: Collection[str] = (),
    files: Collection[str] = (),
    with_alerts: bool = True,
) -> Json:
    """The ``data`` of ``/api/v1/rules``.

    Only rules of a ``kind`` ("alert" or "record"), with one of some names, in groups with one of
    some names or of some files; nothing given means all. A group none of whose rules is wanted is left out.
    """
    wanted = [
        _group(group, kind, rule_names, with_alerts=with_alerts)
        for group in groups
        if (not group_names or group.name in group_names) and (not files or group.definition.file in files)
    ]
    is_narrow = kind is not None or bool(rule_names)
    return {"groups": [group for group in wanted if group["rules"] or not is_narrow]}


def describe_alerts(groups: Iterable[RuleGroup]) -> Json:
    """The ``data`` of ``/api/v1/alerts``: all alerts that are pending or firing."""
    rules = (rule for group in groups for rule in group.alerting_rules)
    return {"alerts": [_alert(alert) for rule in rules for alert in _current(rule)]}


def _group(group: RuleGroup, kind: str | None, rule_names: Collection[str], *, with_alerts: bool) -> Json:
    rules = [
        _rule(rule, with_alerts=with_alerts)
        for rule in group.rules
        if (not rule_names or rule.name in rule_names) and kind in {None, _kind(rule)}
    ]
    return {
        "name": group.name,
        "file": group.definition.file,
        "rules": rules,
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
