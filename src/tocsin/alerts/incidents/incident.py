"""One incident, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import orjson

from tocsin.alerts.marks import is_drill
from tocsin.model import Labels
from tocsin.model.alert import Alert

SEVERITY: Final = "severity"
SEVERITIES: Final = ("critical", "high", "warning", "medium", "low", "info")
"""The most serious first; what is not among them comes after."""


class IncidentStatus(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class IncidentAlert:
    """An alert of an incident; ``ends_at_ms`` is None while it fires."""

    labels: Labels
    annotations: Mapping[str, str]
    starts_at_ms: int
    ends_at_ms: int | None = None
    generator_url: str = ""

    def as_alert(self) -> Alert:
        """The alert as it is told."""
        return Alert(self.labels, self.annotations, self.starts_at_ms, self.ends_at_ms, self.generator_url)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows and acts, until a time or until the incident is resolved."""

    by: str
    at_ms: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts that belong together, from the first that fires to the last that ends.

    ``groups`` are the keys of the groups that it came from. ``escalation`` names the policy by which it
    escalates, counted from ``escalates_from_ms``, and ``level`` is how many levels were told.
    """

    id: int
    opened_ms: int
    groups: frozenset[str] = frozenset()
    alerts: Mapping[Labels, IncidentAlert] = field(default_factory=dict)
    acknowledgement: Acknowledgement | None = None
    first_acknowledged_ms: int | None = None
    resolved_ms: int | None = None
    merged_into: int | None = None
    reopened: int = 0
    escalation: str = ""
    escalates_from_ms: int | None = None
    level: int = 0

    @property
    def status(self) -> IncidentStatus:
        """Where it stands."""
        if self.resolved_ms is not None:
            return IncidentStatus.RESOLVED
        return IncidentStatus.OPEN if self.acknowledgement is None else IncidentStatus.ACKNOWLEDGED

    @property
    def firing(self) -> Sequence[IncidentAlert]:
        """Its alerts that are not over."""
        return [alert for alert in self.alerts.values() if alert.ends_at_ms is None]

    @property
    def is_drill(self) -> bool:
        """Whether nothing is wrong: all its alerts belong to a drill."""
        return bool(self.alerts) and all(map(is_drill, self.alerts))

    @property
    def severity(self) -> str:
        """The most serious severity of all its alerts, or an empty text."""
        found = {alert.labels.get(SEVERITY, "") for alert in self.alerts.values()} - {""}
        ranked = [severity for severity in SEVERITIES if severity in found]
        return ranked[0] if ranked else min(found, default="")

    @property
    def title(self) -> str:
        """The summary of its first alert, and how many others there are."""
        first = min(self.alerts.values(), key=lambda alert: (alert.starts_at_ms, alert.labels), default=None)
        if first is None:
            return "no alerts"
        more = f" and {len(self.alerts) - 1} more" if len(self.alerts) > 1 else ""
        return f"{first.annotations.get('summary') or first.labels.get('alertname', '')}{more}"


def to_json(incident: Incident) -> bytes:
    """An incident as it is stored."""
    content = {name: getattr(incident, name) for name in Incident.__slots__}
    acknowledgement = incident.acknowledgement
    return orjson.dumps(
        {
            **content,
            "groups": sorted(incident.groups),
            "alerts": [_alert_row(alert) for alert in incident.alerts.values()],
            "acknowledgement": acknowledgement
            and (acknowledgement.by, acknowledgement.at_ms, acknowledgement.until_ms),
        }
    )


def from_json(content: bytes) -> Incident:
    """The reverse."""
    fields: dict[str, Any] = orjson.loads(content)
    alerts = [_alert_of(row) for row in fields["alerts"]]
    acknowledgement = fields["acknowledgement"]
    return Incident(
        **{
            **fields,
            "groups": frozenset(fields["groups"]),
            "alerts": {alert.labels: alert for alert in alerts},
            "acknowledgement": Acknowledgement(*acknowledgement) if acknowledgement else None,
        }
    )


def ended(alert: IncidentAlert, at_ms: int) -> IncidentAlert:
    """The alert once it is over."""
    return replace(alert, ends_at_ms=at_ms)


def _alert_row(alert: IncidentAlert) -> tuple[Any, ...]:
    return (
        alert.labels.pairs,
        dict(alert.annotations),
        alert.starts_at_ms,
        alert.ends_at_ms,
        alert.generator_url,
    )


def _alert_of(row: Sequence[Any]) -> IncidentAlert:
    pairs, *rest = row
    return IncidentAlert(Labels([(name, value) for name, value in pairs]), *rest)
