"""The desk at which alerts are handed in and asked about, whichever configuration is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.alerts.dispatcher import Dispatcher
from tocsin.alerts.muting import AlertStatus
from tocsin.alerts.state import AlertingState
from tocsin.alerts.store import KnownAlert
from tocsin.model import Clock
from tocsin.model.alert import Alert


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert as the outside sees it: what is known, its status, and who hears of it."""

    known: KnownAlert
    status: AlertStatus
    receivers: Sequence[str]


@dataclass(frozen=True, slots=True)
class GroupView:
    """The alerts of a group that are not over; ``muted_by`` names time intervals."""

    labels: dict[str, str]
    receiver: str
    key: str
    alerts: Sequence[AlertView]
    muted_by: Sequence[str]


class AlertDesk:
    """Alerts, groups and silences for the API and the pages; all on one event loop.

    What is handed in while the configuration is exchanged waits for the next dispatcher.
    """

    def __init__(self, state: AlertingState, clock: Clock) -> None:
        self.state = state
        self.clock = clock
        self._dispatcher: Dispatcher | None = None
        self._waiting: list[Alert] = []

    def put(self, alerts: Sequence[Alert]) -> None:
        """Take a report about alerts."""
        if self._dispatcher is None:
            self._waiting += alerts
        else:
            self._dispatcher.put(alerts)

    def is_routed(self, alert: Alert) -> bool:
        """Whether a route below the root takes an alert."""
        root = self._dispatcher.root if self._dispatcher is not None else None
        return root is not None and root.match(alert.labels) != [root]

    def open(self, dispatcher: Dispatcher) -> None:
        """Have a dispatcher take what is known, what waits, and all that comes."""
        self._dispatcher = dispatcher
        dispatcher.load()
        waiting, self._waiting = self._waiting, []
        dispatcher.put(waiting)

    def shut(self) -> None:
        """Let all that comes wait for the next dispatcher."""
        self._dispatcher = None

    def alerts(self) -> list[AlertView]:
        """All alerts that are not over."""
        now_ms = self.clock.now_ms()
        return [self._view(known, now_ms) for known in self.state.alerts.firing(now_ms)]

    def groups(self) -> list[GroupView]:
        """All groups that have alerts that are not over."""
        if self._dispatcher is None:
            return []
        now_ms = self.clock.now_ms()
        views = []
        for group in self._dispatcher.groups:
            alerts = [self._view(known, now_ms) for known in group.alerts if not known.is_resolved(now_ms)]
            if alerts:
                route = group.route
                muted_by = self._dispatcher.muting.muted_by(route, now_ms)
                views.append(GroupView(dict(group.labels), route.receiver, group.key, alerts, muted_by))
        return views

    def _view(self, known: KnownAlert, now_ms: int) -> AlertView:
        if self._dispatcher is None:
            return AlertView(known, AlertStatus(), ())
        labels = known.alert.labels
        receivers = dict.fromkeys(route.receiver for route in self._dispatcher.root.match(labels))
        return AlertView(known, self._dispatcher.muting.status(labels, now_ms), tuple(receivers))
