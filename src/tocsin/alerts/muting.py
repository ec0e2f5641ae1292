"""Why an alert is not told: another alert, a silence, or the time of day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from tocsin.alerts.inhibition import Inhibitor
from tocsin.alerts.route import Route
from tocsin.alerts.silence import Silences
from tocsin.config.escalation import MaintenanceConfig
from tocsin.model import Labels
from tocsin.model.alert import known_fingerprint


class TimeInterval(Protocol):
    """A named set of times."""

    def contains(self, at: datetime) -> bool:
        """Whether a time lies in it."""
        ...


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """The silences, by their ids, and the alerts because of which an alert is not told."""

    silenced_by: Sequence[str] = ()
    inhibiting: Sequence[Labels] = ()

    @property
    def inhibited_by(self) -> list[str]:
        """The fingerprints of the alerts."""
        return sorted({f"{known_fingerprint(labels):016x}" for labels in self.inhibiting})

    @property
    def is_suppressed(self) -> bool:
        """Whether there is any."""
        return bool(self.silenced_by or self.inhibiting)

    @property
    def state(self) -> str:
        """Alertmanager's word for it."""
        return "suppressed" if self.is_suppressed else "active"


class Muting:
    """Decides what is not told, in the order in which Alertmanager asks: inhibition, time, silences."""

    def __init__(
        self,
        inhibitor: Inhibitor,
        silences: Silences,
        intervals: Mapping[str, TimeInterval],
        maintenance: Sequence[MaintenanceConfig] = (),
    ) -> None:
        self.inhibitor = inhibitor
        self._silences = silences
        self._intervals = intervals
        self._maintenance = maintenance

    def status(self, labels: Labels, now_ms: int) -> AlertStatus:
        """Where an alert stands, whatever its route."""
        silenced_by = [*self._silences.muting(labels, now_ms), *self._maintaining(labels, now_ms)]
        return AlertStatus(silenced_by, self.inhibitor.muting(labels, now_ms))

    def muted_by(self, route: Route, now_ms: int) -> list[str]:
        """The names of the time intervals because of which a route tells nothing now."""
        at = datetime.fromtimestamp(now_ms / 1000, UTC)
        if route.active_time_intervals and not self._within(route.active_time_intervals, at):
            return list(route.active_time_intervals)
        return self._within(route.mute_time_intervals, at)

    def _maintaining(self, labels: Labels, now_ms: int) -> list[str]:
        """Maintenance windows count as silences, under names that no silence has."""
        if not self._maintenance:
            return []
        at = datetime.fromtimestamp(now_ms / 1000, UTC)
        return [
            f"maintenance/{window.name}"
            for window in self._maintenance
            if all(each.matches(labels.get(each.name, "")) for each in window.matchers)
            and window.contains(at)
        ]

    def _within(self, names: Iterable[str], at: datetime) -> list[str]:
        return [name for name in names if self._intervals[name].contains(at)]
