"""Alerting rules: each series that the expression yields is an alert."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from tocsin.model import METRIC_NAME, Labels
from tocsin.model.alert import ALERT_NAME, Alert
from tocsin.rules.errors import RuleError, TemplateError
from tocsin.rules.rule import Evaluation, RuleStatus, Samples
from tocsin.rules.template import AlertExpander, AlertTemplate

ALERTS: Final = "ALERTS"
"""The metric that says which alerts are pending or firing."""

ALERTS_FOR_STATE: Final = "ALERTS_FOR_STATE"
"""The metric whose value is when an alert became active, in seconds since 1970; restarts read it."""

RESOLVED_RETENTION_MS: Final = 15 * 60_000
"""How long a resolved alert is still sent, so that whoever was not reached learns of it."""

_log = logging.getLogger(__name__)


class AlertState(StrEnum):
    """Where an alert stands."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """One alert of a rule; INACTIVE means resolved, and kept for a while to be sent."""

    labels: Labels
    annotations: Mapping[str, str]
    value: float
    active_at_ms: int
    state: AlertState = AlertState.PENDING
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None
    keep_firing_since_ms: int | None = None
    last_sent_at_ms: int | None = None

    def needs_sending(self, at_ms: int, resend_delay_ms: int) -> bool:
        """Whether somebody should hear of it now: it is news, or the last word is old."""
        if self.state is AlertState.PENDING:
            return False
        if self.last_sent_at_ms is None:
            return True
        if self.resolved_at_ms is not None and self.resolved_at_ms > self.last_sent_at_ms:
            return True
        return self.last_sent_at_ms + resend_delay_ms < at_ms


@dataclass(slots=True, eq=False)
class AlertingRule:
    """A rule whose every result becomes pending, and fires once it has lasted ``hold_ms``.

    A firing alert whose condition has gone fires on for ``keep_firing_ms``. Labels and annotations
    are templates. An evaluation runs in one thread at a time; what it finds is exchanged at once,
    so that others may read ``active`` meanwhile.
    """

    name: str
    expression: str
    hold_ms: int = 0
    keep_firing_ms: int = 0
    labels: Labels = field(default_factory=Labels)
    annotations: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] | None = None
    status: RuleStatus = field(default_factory=RuleStatus)
    active: Mapping[Labels, ActiveAlert] = field(default_factory=dict)
    is_restored: bool = True
    _label_templates: Mapping[str, AlertTemplate] = field(init=False)
    _annotation_templates: Mapping[str, AlertTemplate] = field(init=False)

    def __post_init__(self) -> None:
        self._label_templates = {name: AlertTemplate.parse(text) for name, text in self.labels.items()}
        self._annotation_templates = {
            name: AlertTemplate.parse(text) for name, text in self.annotations.items()
        }

    @property
    def writes(self) -> frozenset[str]:
        """The two metrics about alerts."""
        return frozenset({ALERTS, ALERTS_FOR_STATE})

    @property
    def state(self) -> AlertState:
        """The most serious state of its alerts."""
        states = {alert.state for alert in self.active.values()}
        ranked = (AlertState.FIRING, AlertState.PENDING)
        return next((state for state in ranked if state in states), AlertState.INACTIVE)

    def evaluate(self, evaluation: Evaluation) -> Samples:
        """Bring the alerts up to date; returns the samples of ``ALERTS`` and ``ALERTS_FOR_STATE``.

        Raises RuleError when two results become one alert or there are more than the limit.
        """
        seen = self._seen(evaluation)
        known = dict.fromkeys([*self.active, *seen])
        stepped = [
            self._step(self.active.get(labels), seen.get(labels), evaluation.at_ms) for labels in known
        ]
        active = {alert.labels: alert for alert in stepped if alert is not None}
        current = [alert for alert in active.values() if alert.state is not AlertState.INACTIVE]
        try:
            evaluation.check_limit(len(current), "alerts")
        except RuleError:
            self.active = {}
            raise
        self.active = active
        return self._samples(current) if self.is_restored else {}

    def alerts_to_send(self, at_ms: int, resend_delay_ms: int, interval_ms: int) -> list[Alert]:
        """The alerts that somebody should hear of now, and note that they were told.

        A firing one is said to end in four resend delays (or intervals, when these are longer): by
        then it will have been sent again, or whoever listens may take it for resolved.
        """
        due = [alert for alert in self.active.values() if alert.needs_sending(at_ms, resend_delay_ms)]
        self.active = {
            **self.active,
            **{alert.labels: replace(alert, last_sent_at_ms=at_ms) for alert in due},
        }
        valid_until_ms = at_ms + 4 * max(resend_delay_ms, interval_ms)
        return [
            Alert(alert.labels, alert.annotations, alert.fired_at_ms, alert.resolved_at_ms or valid_until_ms)
            for alert in due
        ]

    def _seen(self, evaluation: Evaluation) -> dict[Labels, ActiveAlert]:
        alerts: dict[Labels, ActiveAlert] = {}
        vector = evaluation.query(self.expression)
        if not vector:
            return alerts
        expander = AlertExpander(evaluation.context)
        for series, value in vector:
            labels = self._alert_labels(expander, series, value)
            if labels in alerts:
                raise RuleError("vector contains metrics with the same labelset after applying alert labels")
            annotations = {
                name: self._expand(expander, template, series, value)
                for name, template in self._annotation_templates.items()
            }
            alerts[labels] = ActiveAlert(labels, annotations, value, evaluation.at_ms)
        return alerts

    def _alert_labels(self, expander: AlertExpander, series: Labels, value: float) -> Labels:
        own = {
            name: self._expand(expander, template, series, value)
            for name, template in self._label_templates.items()
        }
        return series.merge({**own, METRIC_NAME: "", ALERT_NAME: self.name})

    def _expand(self, expander: AlertExpander, template: AlertTemplate, series: Labels, value: float) -> str:
        if "{{" not in template.text:
            return template.text
        try:
            return expander.expand(template, series, value)
        except TemplateError as error:
            _log.warning('alert "%s": a template cannot be expanded: %s', self.name, error)
            return f"<error expanding template: {error}>"

    def _step(self, old: ActiveAlert | None, seen: ActiveAlert | None, at_ms: int) -> ActiveAlert | None:
        """The next state of an alert that was known, is seen, or both; None when it is to be forgotten."""
        if seen is not None:
            if old is None or old.state is AlertState.INACTIVE:
                return self._promoted(seen, at_ms)
            return self._promoted(_refreshed(old, seen), at_ms)
        if old is None or old.state is AlertState.PENDING:
            return None
        if old.state is AlertState.FIRING:
            return self._unseen_firing(old, at_ms)
        is_old_news = old.resolved_at_ms is not None and at_ms - old.resolved_at_ms > RESOLVED_RETENTION_MS
        return None if is_old_news else old

    def _promoted(self, alert: ActiveAlert, at_ms: int) -> ActiveAlert:
        if alert.state is AlertState.PENDING and at_ms - alert.active_at_ms >= self.hold_ms:
            return replace(alert, state=AlertState.FIRING, fired_at_ms=at_ms)
        return alert

    def _unseen_firing(self, alert: ActiveAlert, at_ms: int) -> ActiveAlert:
        if self.keep_firing_ms:
            since_ms = at_ms if alert.keep_firing_since_ms is None else alert.keep_firing_since_ms
            if at_ms - since_ms < self.keep_firing_ms:
                return replace(alert, keep_firing_since_ms=since_ms)
        return replace(alert, state=AlertState.INACTIVE, resolved_at_ms=at_ms)

    def _samples(self, alerts: list[ActiveAlert]) -> Samples:
        samples: Samples = {}
        for alert in alerts:
            state = {METRIC_NAME: ALERTS, "alertstate": alert.state.value}
            samples[alert.labels.merge(state)] = 1.0
            samples[alert.labels.merge({METRIC_NAME: ALERTS_FOR_STATE})] = alert.active_at_ms // 1000
        return samples


def _refreshed(old: ActiveAlert, seen: ActiveAlert) -> ActiveAlert:
    return replace(old, value=seen.value, annotations=seen.annotations, keep_firing_since_ms=None)
