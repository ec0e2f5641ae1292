"""The routes of drills: those of real alerts, but each drill is told by itself and never repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, Self

from tocsin.alerts.marks import DRILL, DRILL_ALERT, RECEIVER, is_drill
from tocsin.alerts.route import Route
from tocsin.model.alert import ALERT_NAME

FAILED_ALERT: Final = "DrillFailed"
"""The alert of the shipped rule about drills that failed."""

GROUP_INTERVAL_MS: Final = 30_000
"""Within this time the end of a drill is told; a single attempt of a channel may take as long."""

_NEVER_MS: Final = 365 * 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class DrillRoute(Route):
    """The root of a routing tree that knows drills.

    A drill that names a receiver goes straight to it. One that names none takes the route that its labels
    lead to, with its own group, so that it neither waits for real alerts nor holds one of them up. An alert
    about a failed drill also goes to whoever ``failed_to`` names for its receiver.
    """

    straight: Mapping[str, Route] = field(default_factory=dict)
    failed_to: Mapping[str, Route] = field(default_factory=dict)
    _derived: dict[Route, Route] = field(default_factory=dict)

    @classmethod
    def over(cls, root: Route, receivers: Iterable[str], failed_to: Mapping[str, str] | None = None) -> Self:
        """The same tree, for some receivers and those that hear of their failed drills."""
        inherited = {each.name: getattr(root, each.name) for each in fields(Route)}
        return cls(
            **inherited,
            straight={name: _straight(name) for name in receivers},
            failed_to={
                broken: _of_failures(root, broken, other) for broken, other in (failed_to or {}).items()
            },
        )

    def match(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes of an alert, whether it is a drill or not."""
        natural = Route.match(self, labels)
        if is_drill(labels):
            straight = self.straight.get(labels.get(RECEIVER, ""))
            return [straight] if straight is not None else [self._of_drills(route) for route in natural]
        if labels.get(ALERT_NAME) == FAILED_ALERT:
            other = self.failed_to.get(labels.get(RECEIVER, ""))
            if other is not None and all(route.receiver != other.receiver for route in natural):
                return [*natural, other]
        return natural

    def _of_drills(self, route: Route) -> Route:
        """A route as drills take it; the same one each time, since groups go by it."""
        if route not in self._derived:
            self._derived[route] = replace(
                Route(**{each.name: getattr(route, each.name) for each in fields(Route)}),
                group_by=None if route.group_by is None else route.group_by | {DRILL},
                group_interval_ms=GROUP_INTERVAL_MS,
                repeat_interval_ms=_NEVER_MS,
                key=f"{route.key}/{{{DRILL}}}",
                routes=(),
            )
        return self._derived[route]


def _straight(receiver: str) -> Route:
    return Route(
        receiver=receiver,
        group_by=frozenset({ALERT_NAME, DRILL, RECEIVER}),
        group_wait_ms=0,
        group_interval_ms=GROUP_INTERVAL_MS,
        repeat_interval_ms=_NEVER_MS,
        key=f'{{{ALERT_NAME}="{DRILL_ALERT}",{RECEIVER}="{receiver}"}}',
    )


def _of_failures(root: Route, broken: str, other: str) -> Route:
    """Who else hears that drills to a receiver fail, as often as the root tells its own receiver."""
    return Route(
        receiver=other,
        group_by=frozenset({ALERT_NAME, RECEIVER}),
        group_wait_ms=0,
        group_interval_ms=root.group_interval_ms,
        repeat_interval_ms=root.repeat_interval_ms,
        key=f'{{{ALERT_NAME}="{FAILED_ALERT}",{RECEIVER}="{broken}"}}',
    )
