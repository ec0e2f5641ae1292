"""The routing tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import Field, field_validator

from tocsin.config.alertmanager.matchers import Equalities, Matchers, Patterns, all_matchers
from tocsin.config.alertmanager.values import AnyLabelName, checked_label_name
from tocsin.config.model import ConfigModel, DurationMs, PositiveDurationMs
from tocsin.model import Matcher

GROUP_BY_ALL: Final = "..."
"""In ``group_by``: every alert is a group of its own."""


class RouteConfig(ConfigModel):
    """A node of the routing tree; what is left out is taken from the node above.

    ``labels`` are templates that describe the route to notifications.
    """

    receiver: str | None = None
    group_by: tuple[str, ...] | None = None
    group_wait: DurationMs | None = None
    group_interval: PositiveDurationMs | None = None
    repeat_interval: PositiveDurationMs | None = None
    match: Equalities = Field(default_factory=dict)
    match_re: Patterns = Field(default_factory=dict)
    matchers: Matchers = ()
    continues: bool = Field(default=False, alias="continue")
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    labels: dict[AnyLabelName, str] = Field(default_factory=dict)
    routes: tuple[RouteConfig, ...] = ()

    @field_validator("group_by")
    @classmethod
    def _each_label_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if GROUP_BY_ALL in names and len(set(names)) > 1:
            raise ValueError('"..." cannot stand beside other labels')
        for name in names:
            if name != GROUP_BY_ALL:
                checked_label_name(name)
                if names.count(name) > 1:
                    raise ValueError(f'the label "{name}" stands twice')
        return names

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """The conditions of ``match``, ``match_re`` and ``matchers``, in Alertmanager's order."""
        return all_matchers(self.match, self.match_re, self.matchers)

    def walk(self) -> Iterator[RouteConfig]:
        """The node itself and all below it."""
        for _, node in self.places("route"):
            yield node

    def places(self, place: str) -> Iterator[tuple[str, RouteConfig]]:
        """The node itself and all below it, each with the place where it stands."""
        yield place, self
        for index, route in enumerate(self.routes):
            yield from route.places(f"{place}.routes[{index}]")
