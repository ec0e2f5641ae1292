"""``/api/tocsin/alerts``: every alert of our rules and from outside, and why it is in its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.alerts.desk import AlertView
from tocsin.model import Labels, format_duration_ms
from tocsin.rules import AlertingRule, RuleGroup
from tocsin.rules.alerting import ActiveAlert, AlertState
from tocsin.web.responses import success
from tocsin.web.services import Services

_STATES: Final = ("firing", "pending", "silenced", "inhibited", "muted")


class AlertStatesApi:
    """All alerts in one list; times are in seconds since 1970.

    ``state`` is pending or firing while somebody hears of it, or else why nobody does: silenced, inhibited
    or muted (by a time interval of each of its routes).
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (Route("/api/tocsin/alerts", self.alerts),)

    async def alerts(self, _request: Request) -> Response:
        """Everything, the newest first."""
        of_rules = dict(self._of_rules())
        views = {view.known.alert.labels: view for view in self._services.desk.alerts()}
        muted = self._muted()
        shown = [
            self._shown(labels, of_rules.get(labels), views.get(labels), muted.get(labels, ()))
            for labels in dict.fromkeys([*of_rules, *views])
        ]
        return success(sorted(shown, key=lambda each: -each["since"]))

    def _of_rules(self) -> Iterator[tuple[Labels, tuple[RuleGroup, AlertingRule, ActiveAlert]]]:
        for group in self._services.rules.groups:
            for rule in group.alerting_rules:
                for alert in rule.active.values():
                    if alert.state is not AlertState.INACTIVE:
                        labels = Labels({**self._external_labels, **alert.labels})
                        yield labels, (group, rule, alert)

    @property
    def _external_labels(self) -> Mapping[str, str]:
        return self._services.rules.surroundings.external_labels

    def _muted(self) -> dict[Labels, Sequence[str]]:
        """Alerts of which no group is told now, and the time intervals because of which."""
        names: dict[Labels, list[str]] = {}
        heard: set[Labels] = set()
        for group in self._services.desk.groups():
            for view in group.alerts:
                labels = view.known.alert.labels
                if group.muted_by:
                    names.setdefault(labels, []).extend(group.muted_by)
                else:
                    heard.add(labels)
        return {labels: found for labels, found in names.items() if labels not in heard}

    def _shown(
        self,
        labels: Labels,
        of_rule: tuple[RuleGroup, AlertingRule, ActiveAlert] | None,
        view: AlertView | None,
        muted_by: Sequence[str],
    ) -> dict[str, Any]:
        annotations = view.known.alert.annotations if view else of_rule[2].annotations if of_rule else {}
        since_ms = of_rule[2].active_at_ms if of_rule else view.known.starts_at_ms if view else 0
        state, why = self._state(of_rule, view, muted_by)
        book = self._services.incidents
        incident = book.of_alert(labels)
        return {
            "labels": dict(labels),
            "annotations": dict(annotations),
            "state": state,
            "why": why,
            "since": since_ms / 1000,
            "fingerprint": view.known.alert.fingerprint if view else None,
            "rule": of_rule and _rule(*of_rule),
            "receivers": list(view.receivers) if view else [],
            "silencedBy": list(view.status.silenced_by) if view else [],
            "inhibitedBy": [dict(each) for each in view.status.inhibiting] if view else [],
            "mutedBy": list(muted_by),
            "flapping": book.is_flapping(labels, self._services.clock.now_ms()),
            "incident": incident.id if incident else None,
        }

    def _state(
        self,
        of_rule: tuple[RuleGroup, AlertingRule, ActiveAlert] | None,
        view: AlertView | None,
        muted_by: Sequence[str],
    ) -> tuple[str, str]:
        """The state of an alert, and a sentence that says why."""
        if of_rule is not None and of_rule[2].state is AlertState.PENDING:
            rule, alert = of_rule[1:]
            lasts_s = (self._services.clock.now_ms() - alert.active_at_ms) // 1000
            lasts = format_duration_ms(max(0, lasts_s) * 1000)
            return (
                "pending",
                f"its condition holds for {lasts}, and must for {format_duration_ms(rule.hold_ms)}",
            )
        if view is None:
            return "firing", "no receiver has taken it yet, or none wants it"
        if view.status.silenced_by:
            return "silenced", self._why_silenced(view.status.silenced_by)
        if view.status.inhibiting:
            return "inhibited", f"{view.status.inhibiting[0]} fires, which says more"
        if muted_by:
            return "muted", f"it is the time of {', '.join(muted_by)}"
        return "firing", self._why_firing(of_rule, view)

    def _why_silenced(self, ids: Sequence[str]) -> str:
        silence = self._services.desk.state.silences.get(ids[0])
        if silence is None:
            return f"it is the time of {ids[0]}"
        by = f" by {silence.created_by}" if silence.created_by else ""
        comment = f": {silence.comment}" if silence.comment else ""
        return f"silenced{by}{comment}"

    def _why_firing(
        self, of_rule: tuple[RuleGroup, AlertingRule, ActiveAlert] | None, view: AlertView
    ) -> str:
        told = f"told to {', '.join(view.receivers)}" if view.receivers else "nobody is told"
        if of_rule is None:
            return f"its sender says so; {told}"
        rule, alert = of_rule[1:]
        if alert.keep_firing_since_ms is not None:
            kept = format_duration_ms(rule.keep_firing_ms)
            return f"its condition is over, and it fires on for {kept}; {told}"
        return f"its condition holds, the value is {alert.value:g}; {told}"


def _rule(group: RuleGroup, rule: AlertingRule, alert: ActiveAlert) -> dict[str, Any]:
    return {
        "name": rule.name,
        "group": group.name,
        "file": group.definition.file,
        "expression": rule.expression,
        "for": rule.hold_ms / 1000,
        "value": str(alert.value),
    }
