"""The routing tree: which receiver hears of an alert, and in which group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tocsin.config.alertmanager import GROUP_BY_ALL, RouteConfig
from tocsin.model import Labels, Matcher


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A node of the tree, with everything that it has from the nodes above.

    The defaults are Alertmanager's. ``group_by`` None means that each alert is a group of its own.
    The ``key`` names the node by the matchers on the way to it, as Alertmanager does.
    """

    receiver: str = ""
    group_by: frozenset[str] | None = frozenset()
    group_wait_ms: int = 30_000
    group_interval_ms: int = 300_000
    repeat_interval_ms: int = 4 * 3_600_000
    matchers: tuple[Matcher, ...] = ()
    continues: bool = False
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    key: str = "{}"
    routes: tuple[Route, ...] = ()

    def match(self, labels: Mapping[str, str]) -> list[Route]:
        """The deepest nodes that take an alert: none, one, or several where a node says ``continue``."""
        if not all(matcher.matches(labels.get(matcher.name, "")) for matcher in self.matchers):
            return []
        found: list[Route] = []
        for route in self.routes:
            below = route.match(labels)
            found += below
            if below and not route.continues:
                break
        return found or [self]

    def group_labels(self, labels: Labels) -> Labels:
        """Those labels of an alert that decide on its group."""
        return labels if self.group_by is None else labels.keep(self.group_by)


_DEFAULTS: Final = Route()


def build_route(config: RouteConfig, parent: Route | None = None) -> Route:
    """Make the tree of a validated configuration.

    >>> root = build_route(RouteConfig(receiver="all", routes=[{"matchers": ["team=ml"], "receiver": "ml"}]))
    >>> [route.receiver for route in root.match({"team": "ml"})]
    ['ml']
    """
    above = parent or _DEFAULTS
    matchers = config.all_matchers
    shown = "{" + ",".join(str(matcher) for matcher in matchers) + "}"
    node = Route(
        receiver=config.receiver or above.receiver,
        group_by=_group_by(config, above),
        group_wait_ms=_own(config.group_wait, above.group_wait_ms),
        group_interval_ms=_own(config.group_interval, above.group_interval_ms),
        repeat_interval_ms=_own(config.repeat_interval, above.repeat_interval_ms),
        matchers=matchers,
        continues=config.continues,
        mute_time_intervals=config.mute_time_intervals,
        active_time_intervals=config.active_time_intervals,
        labels={**above.labels, **config.labels},
        key=f"{parent.key}/{shown}" if parent else shown,
    )
    return replace(node, routes=tuple(build_route(child, node) for child in config.routes))


def _group_by(config: RouteConfig, above: Route) -> frozenset[str] | None:
    if not config.group_by:
        # An empty list says nothing, in Alertmanager neither: it cannot undo what stands above.
        return above.group_by
    return None if GROUP_BY_ALL in config.group_by else frozenset(config.group_by)


def _own(value: int | None, inherited: int) -> int:
    return inherited if value is None else value
