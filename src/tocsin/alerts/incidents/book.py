"""The incidents: opened by groups of alerts, kept up to date, and found again after a restart."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tocsin.alerts.database import Database
from tocsin.alerts.group import AggregationGroup
from tocsin.alerts.incidents.flapping import Flapping
from tocsin.alerts.incidents.incident import (
    Acknowledgement,
    Incident,
    IncidentAlert,
    IncidentStatus,
    ended,
    from_json,
    to_json,
)
from tocsin.alerts.incidents.links import Links
from tocsin.alerts.incidents.metrics import IncidentMetrics
from tocsin.alerts.incidents.timeline import Entry, EntryKind, Timeline
from tocsin.alerts.marks import is_drill, opens_incident
from tocsin.alerts.noise import NotificationCounts
from tocsin.alerts.notification import Notification
from tocsin.alerts.store import KnownAlert
from tocsin.config.escalation import EscalationConfig, IncidentsConfig
from tocsin.errors import ParseError
from tocsin.model import Labels, Matcher
from tocsin.model.alert import Alert

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS incidents (id INTEGER PRIMARY KEY, opened_ms INTEGER, content BLOB)"
)


class IncidentBook:
    """All incidents. It watches what becomes of groups of alerts (it is the dispatcher's observer).

    A group whose alerts fire opens an incident, or joins one that has one of its alerts. When all alerts
    are over it resolves, and it opens again when the group fires anew soon after.
    """

    def __init__(
        self,
        database: Database,
        config: IncidentsConfig,
        escalations: Sequence[EscalationConfig] = (),
        *,
        links: Links | None = None,
        metrics: IncidentMetrics | None = None,
    ) -> None:
        self._database = database
        self.timeline = Timeline(database)
        self.on_acknowledged: Callable[[Incident], None] | None = None
        self.counts = NotificationCounts(database)
        self.apply(config, escalations)
        self._links = links
        self._metrics = metrics
        database.create([_TABLE])
        rows = database.read("SELECT content FROM incidents ORDER BY id")
        self._incidents: dict[int, Incident] = {}
        self._active: set[int] = set()
        self._of_groups: dict[str, int] = {}
        self._of_alerts: dict[Labels, int] = {}
        for (content,) in rows:
            self._index(from_json(content))
        self._next_id = max(self._incidents, default=0) + 1

    def apply(self, config: IncidentsConfig, escalations: Sequence[EscalationConfig]) -> None:
        """Go by another configuration from now on."""
        self.config, self.escalations = config, tuple(escalations)
        self._flapping = Flapping(config.flapping.changes, config.flapping.within)

    # Reading.

    def all(self) -> list[Incident]:
        """Every incident that is kept, the newest last; merged ones are left out."""
        return [each for each in self._incidents.values() if each.merged_into is None]

    def active(self) -> list[Incident]:
        """Those that are not resolved."""
        return [self._incidents[each] for each in sorted(self._active)]

    def get(self, incident_id: int) -> Incident:
        """One incident, or the one that it was merged into; raises ParseError when there is none."""
        incident = self._incidents.get(incident_id)
        if incident is None:
            raise ParseError(f"there is no incident {incident_id}")
        return incident if incident.merged_into is None else self.get(incident.merged_into)

    def policy(self, incident: Incident) -> EscalationConfig | None:
        """How an incident escalates, if it does."""
        return next((each for each in self.escalations if each.name == incident.escalation), None)

    def is_flapping(self, labels: Labels, now_ms: int) -> bool:
        """Whether an alert comes and goes again and again."""
        return self._flapping.is_flapping(labels, now_ms)

    # What the dispatcher reports.

    def put(self, alerts: Sequence[KnownAlert], now_ms: int) -> None:
        """Note alerts that come and go again and again."""
        for labels in self._flapping.put(alerts, now_ms):
            incident = self.of_alert(labels)
            if incident is not None:
                self._log(incident, EntryKind.FLAPPING, now_ms, str(labels))

    def holds(self, labels: Labels, now_ms: int) -> bool:
        """Whether the end of an alert is not told yet because it flaps."""
        return self.config.flapping.hold and self._flapping.is_flapping(labels, now_ms)

    def grouped(self, group: AggregationGroup, alerts: Sequence[Alert], now_ms: int) -> None:
        """Bring the incident of a group up to date, or open one."""
        told = [
            alert
            for alert in alerts
            if opens_incident(alert.labels) and not _satisfies(alert.labels, self.config.ignore)
        ]
        firing = [alert for alert in told if alert.ends_at_ms is None]
        incident = self._found(group.key, firing, now_ms)
        if incident is None:
            if not firing:
                return
            incident = self._opened(group.key, firing, now_ms)
        self._update(replace(incident, groups=incident.groups | {group.key}), told, now_ms)

    def told(self, notification: Notification, integration: str, failure: str | None, now_ms: int) -> None:
        """Note who was told of an incident, or could not be."""
        if failure is None:
            self.counts.add(notification, integration, now_ms)
        incident = self._of_group(notification.group_key)
        if incident is None:
            return
        kind = EntryKind.NOTIFIED if failure is None else EntryKind.NOT_NOTIFIED
        text = f"{notification.status} by {integration}" + (f": {failure}" if failure else "")
        self.timeline.add([Entry(incident.id, now_ms, kind, text, notification.receiver)])

    def acknowledge_url(self, group_key: str) -> str:
        """A signed link to acknowledge the incident of a group; empty when there is none."""
        incident = self._of_group(group_key)
        if incident is None or self._links is None or incident.status is IncidentStatus.RESOLVED:
            return ""
        return self._links.acknowledge_url(incident.id)

    def is_signed(self, incident_id: int, signature: str) -> bool:
        """Whether a link to acknowledge an incident is one of ours."""
        return self._links is not None and self._links.is_signed(incident_id, signature)

    def check(self, firing: Container[Labels], now_ms: int) -> None:
        """End the alerts that fire no more, whatever their groups were told, and what is too old."""
        for incident in self.active():
            gone = [alert for alert in incident.firing if alert.labels not in firing]
            if gone:
                self._update(incident, [ended(alert, now_ms).as_alert() for alert in gone], now_ms)
        self._flapping.collect(now_ms)
        self._collect(now_ms)

    def expire(self, now_ms: int) -> None:
        """Have incidents come back that were acknowledged and not resolved in time."""
        for incident in self.active():
            acknowledged = incident.acknowledgement
            until_ms = acknowledged.until_ms if acknowledged is not None else None
            if until_ms is not None and now_ms >= until_ms:
                self._unacknowledge(incident, now_ms)

    # What people do.

    def acknowledge(self, incident_id: int, by: str, now_ms: int, until_ms: int | None = None) -> Incident:
        """Note that somebody acts; it escalates no more until then. Raises ParseError."""
        incident = self.get(incident_id)
        if incident.status is IncidentStatus.RESOLVED:
            raise ParseError(f"the incident {incident.id} is resolved")
        policy = self.policy(incident)
        if until_ms is None and policy is not None and policy.acknowledged_for is not None:
            until_ms = now_ms + policy.acknowledged_for
        if incident.first_acknowledged_ms is None and self._metrics is not None:
            self._metrics.acknowledged(incident, now_ms)
        self._log(incident, EntryKind.ACKNOWLEDGED, now_ms, who=by)
        acknowledged = replace(
            incident,
            acknowledgement=Acknowledgement(by, now_ms, until_ms),
            first_acknowledged_ms=incident.first_acknowledged_ms or now_ms,
        )
        if self.on_acknowledged is not None:
            self.on_acknowledged(acknowledged)
        return self._keep(acknowledged)

    def note(self, incident_id: int, by: str, text: str, now_ms: int) -> None:
        """Add what somebody has to say; raises ParseError."""
        if not text.strip():
            raise ParseError("the note is empty")
        self._log(self.get(incident_id), EntryKind.NOTE, now_ms, text.strip(), by)

    def act(self, incident_id: int, text: str, now_ms: int) -> None:
        """Note what was done automatically; raises ParseError."""
        self._log(self.get(incident_id), EntryKind.ACTION, now_ms, text)

    def escalate(self, incident_id: int, by: str, now_ms: int) -> Incident:
        """Have a manual escalation begin; raises ParseError when there is no policy."""
        incident = self.get(incident_id)
        policy = self.policy(incident)
        if policy is None or incident.status is IncidentStatus.RESOLVED:
            raise ParseError(f"the incident {incident.id} has no escalation that could begin")
        self._log(incident, EntryKind.ESCALATED, now_ms, "begun by hand", by)
        return self._keep(replace(incident, escalates_from_ms=now_ms - policy.levels[0].after, level=0))

    def merge(self, source_id: int, target_id: int, by: str, now_ms: int) -> Incident:
        """Make one incident of two; raises ParseError."""
        source, target = self.get(source_id), self.get(target_id)
        if source.id == target.id:
            raise ParseError(f"the incident {source.id} cannot be merged into itself")
        if target.status is IncidentStatus.RESOLVED:
            raise ParseError(f"the incident {target.id} is resolved")
        self.timeline.move(source.id, target.id)
        self._keep(replace(source, merged_into=target.id, resolved_ms=source.resolved_ms or now_ms))
        self._log(target, EntryKind.MERGED, now_ms, f"incident {source.id}: {source.title}", by)
        return self._keep(
            replace(
                target,
                groups=target.groups | source.groups,
                alerts={**source.alerts, **target.alerts},
                opened_ms=min(source.opened_ms, target.opened_ms),
            )
        )

    def reached(self, incident_id: int, level: int, receivers: Iterable[str], now_ms: int) -> None:
        """Note that a level was told; ``level`` counts from 1."""
        incident = self.get(incident_id)
        self._log(incident, EntryKind.ESCALATED, now_ms, f"level {level}: {', '.join(receivers)}")
        self._keep(replace(incident, level=level))

    def handed_on(self, incident_id: int, text: str, receiver: str, now_ms: int, *, has_failed: bool) -> None:
        """Note that a receiver's service was told of an acknowledgement, or could not be."""
        kind = EntryKind.NOT_NOTIFIED if has_failed else EntryKind.NOTIFIED
        self._log(self.get(incident_id), kind, now_ms, text, receiver)

    def passed_over(self, incident_id: int, level: int, receivers: Iterable[str], now_ms: int) -> None:
        """Note that nobody of a level could be told before the next one was due."""
        incident = self.get(incident_id)
        self._log(incident, EntryKind.NOT_NOTIFIED, now_ms, f"level {level}", ", ".join(receivers))
        self._keep(replace(incident, level=level))

    def repeat(self, incident_id: int, from_ms: int) -> None:
        """Begin the levels again, counted from a time."""
        self._keep(replace(self.get(incident_id), level=0, escalates_from_ms=from_ms))

    # How it changes.

    def _found(self, group_key: str, firing: Sequence[Alert], now_ms: int) -> Incident | None:
        """The incident of a group: an active one, one that has an alert of it, or one that just ended."""
        incident = self._of_group(group_key)
        if incident is not None and incident.status is not IncidentStatus.RESOLVED:
            return incident
        for alert in firing:
            other = self.of_alert(alert.labels)
            if other is not None and other.alerts[alert.labels].ends_at_ms is None:
                return other
        if incident is None or incident.resolved_ms is None or not firing:
            return None
        if now_ms - incident.resolved_ms > self.config.reopen_within:
            return None
        self._log(incident, EntryKind.REOPENED, now_ms)
        return replace(
            incident,
            resolved_ms=None,
            acknowledgement=None,
            reopened=incident.reopened + 1,
            level=0,
            escalates_from_ms=self._escalates_from(incident, now_ms),
        )

    def of_alert(self, labels: Labels) -> Incident | None:
        """The active incident that has an alert, if any."""
        incident_id = self._of_alerts.get(labels)
        return None if incident_id is None else self.get(incident_id)

    def _of_group(self, group_key: str) -> Incident | None:
        incident_id = self._of_groups.get(group_key)
        return None if incident_id is None else self.get(incident_id)

    def _opened(self, group_key: str, firing: Sequence[Alert], now_ms: int) -> Incident:
        labels = [alert.labels for alert in firing if not is_drill(alert.labels)]
        policy = next(
            (each for each in self.escalations if any(_all(label, each.matchers) for label in labels)), None
        )
        incident = Incident(
            self._next_id, now_ms, frozenset({group_key}), escalation=policy.name if policy else ""
        )
        self._next_id += 1
        self._log(incident, EntryKind.OPENED, now_ms)
        if self._metrics is not None and labels:
            self._metrics.opened()
        return replace(incident, escalates_from_ms=self._escalates_from(incident, now_ms))

    def _escalates_from(self, incident: Incident, now_ms: int) -> int | None:
        policy = self.policy(incident)
        return now_ms if policy is not None and policy.mode == "automatic" else None

    def _update(self, incident: Incident, alerts: Sequence[Alert], now_ms: int) -> None:
        """Take what is now known of some of its alerts."""
        known = dict(incident.alerts)
        entries = []
        for alert in alerts:
            old = known.get(alert.labels)
            if old is None and alert.ends_at_ms is not None:
                continue
            was_firing = old is not None and old.ends_at_ms is None
            new = _as_incident_alert(alert)
            known[alert.labels] = new
            if was_firing != (new.ends_at_ms is None):
                kind = EntryKind.ALERT_RESOLVED if was_firing else EntryKind.ALERT_FIRED
                entries.append(Entry(incident.id, now_ms, kind, str(alert.labels)))
        updated = replace(incident, alerts=known)
        self.timeline.add(entries)
        if not updated.firing:
            updated = replace(updated, resolved_ms=now_ms)
            self._log(updated, EntryKind.RESOLVED, now_ms)
            if self._metrics is not None:
                self._metrics.resolved(updated, now_ms)
        if updated != self._incidents.get(updated.id):
            self._keep(updated)

    def _unacknowledge(self, incident: Incident, now_ms: int) -> None:
        self._log(incident, EntryKind.UNACKNOWLEDGED, now_ms, "not resolved in time")
        self._keep(
            replace(
                incident,
                acknowledgement=None,
                level=0,
                escalates_from_ms=self._escalates_from(incident, now_ms),
            )
        )

    def _collect(self, now_ms: int) -> None:
        oldest_ms = now_ms - self.config.retention
        self.counts.forget(oldest_ms)
        old = [
            each.id
            for each in self._incidents.values()
            if each.resolved_ms is not None and each.resolved_ms < oldest_ms
        ]
        if old:
            for incident_id in old:
                del self._incidents[incident_id]
            self._of_groups = {
                key: incident for key, incident in self._of_groups.items() if incident in self._incidents
            }
            self.timeline.forget(old)
            self._database.write("DELETE FROM incidents WHERE id = ?", [(each,) for each in old])

    def _keep(self, incident: Incident) -> Incident:
        self._index(incident)
        row = incident.id, incident.opened_ms, to_json(incident)
        self._database.write("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)", [row])
        return incident

    def _index(self, incident: Incident) -> None:
        self._incidents[incident.id] = incident
        if incident.status is IncidentStatus.RESOLVED:
            self._active.discard(incident.id)
            for labels in incident.alerts:
                if self._of_alerts.get(labels) == incident.id:
                    del self._of_alerts[labels]
        else:
            self._active.add(incident.id)
            self._of_alerts.update(dict.fromkeys(incident.alerts, incident.id))
        if incident.merged_into is None:
            self._of_groups.update(dict.fromkeys(incident.groups, incident.id))

    def _log(self, incident: Incident, kind: EntryKind, now_ms: int, text: str = "", who: str = "") -> None:
        self.timeline.add([Entry(incident.id, now_ms, kind, text, who)])


def _as_incident_alert(alert: Alert) -> IncidentAlert:
    return IncidentAlert(
        alert.labels, alert.annotations, alert.starts_at_ms or 0, alert.ends_at_ms, alert.generator_url
    )


def _satisfies(labels: Mapping[str, str], matchers: Sequence[Matcher]) -> bool:
    return bool(matchers) and _all(labels, matchers)


def _all(labels: Mapping[str, str], matchers: Iterable[Matcher]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
