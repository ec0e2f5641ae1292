"""A whole alertmanager.yml.

Source: prometheus.io/docs/alerting/latest/configuration. Keys and defaults are those of Alertmanager.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tocsin.config.alertmanager.globals import AlertmanagerGlobalConfig
from tocsin.config.alertmanager.inheritance import with_globals
from tocsin.config.alertmanager.inhibit import InhibitRuleConfig
from tocsin.config.alertmanager.receiver import ReceiverConfig
from tocsin.config.alertmanager.route import RouteConfig
from tocsin.config.alertmanager.time_interval import TimeIntervalConfig
from tocsin.config.model import ConfigModel, located, validate
from tocsin.config.source import Place, Source, read_source

_CONDITIONS: Final = frozenset(
    {"match", "match_re", "source_match", "source_match_re", "target_match", "target_match_re"}
)


class AlertmanagerConfig(ConfigModel):
    """An alertmanager.yml.

    Receivers have what they take from ``global``, and ``time_intervals`` has the older
    ``mute_time_intervals`` too. ``templates`` are names of files, in which ``*`` stands for any text.
    """

    global_: AlertmanagerGlobalConfig = Field(default_factory=AlertmanagerGlobalConfig, alias="global")
    templates: tuple[Path, ...] = ()
    receivers: tuple[ReceiverConfig, ...] = ()
    inhibit_rules: tuple[InhibitRuleConfig, ...] = ()
    mute_time_intervals: tuple[TimeIntervalConfig, ...] = ()
    time_intervals: tuple[TimeIntervalConfig, ...] = Field(default=(), validate_default=True)
    route: RouteConfig

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, data: Any) -> Any:
        return with_globals(data) if isinstance(data, dict) else data

    @field_validator("receivers")
    @classmethod
    def _unique_receivers(cls, receivers: tuple[ReceiverConfig, ...]) -> tuple[ReceiverConfig, ...]:
        _check_unique("receiver", receivers)
        return receivers

    @field_validator("time_intervals")
    @classmethod
    def _all_intervals(
        cls, intervals: tuple[TimeIntervalConfig, ...], info: ValidationInfo
    ) -> tuple[TimeIntervalConfig, ...]:
        every = (*info.data.get("mute_time_intervals", ()), *intervals)
        _check_unique("time interval", every)
        return every

    @field_validator("route")
    @classmethod
    def _is_root(cls, route: RouteConfig, info: ValidationInfo) -> RouteConfig:
        if not route.receiver:
            raise ValueError("the root route needs a receiver")
        if route.all_matchers or route.continues:
            raise ValueError("the root route takes every alert: it has no matchers and no continue")
        if route.mute_time_intervals or route.active_time_intervals:
            raise ValueError("the root route is always active: it has no time intervals")
        for place, node in route.places("route"):
            where = f" of {place}" if node is not route else ""
            _check_known(
                "receiver", (node.receiver,) if node.receiver else (), info.data.get("receivers"), where
            )
            names = (*node.active_time_intervals, *node.mute_time_intervals)
            _check_known("time interval", names, info.data.get("time_intervals"), where)
        return route

    @property
    def intervals(self) -> Mapping[str, TimeIntervalConfig]:
        """The time intervals by name."""
        return {interval.name: interval for interval in self.time_intervals}


def _check_unique(what: str, named: Iterable[ReceiverConfig | TimeIntervalConfig]) -> None:
    for name, count in Counter(each.name for each in named).items():
        if count > 1:
            raise ValueError(f'the {what} "{name}" stands twice')


def _check_known(
    what: str,
    names: Iterable[str],
    named: Iterable[ReceiverConfig | TimeIntervalConfig] | None,
    where: str,
) -> None:
    """Nothing is known of a section that is itself wrong, and reported already."""
    if named is None:
        return
    known = {each.name for each in named}
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise ValueError(f'the {what} "{name}"{where} is not defined (defined: {listed})')


def is_alertmanager(source: Source) -> bool:
    """Whether a file is an alertmanager.yml rather than a prometheus.yml."""
    return isinstance(source.data, dict) and not {"route", "receivers"}.isdisjoint(source.data)


def read_alertmanager(path: Path) -> AlertmanagerConfig:
    """Read a file; names of files in it are relative to its folder.

    Raises ConfigError naming file, line and key of the first fault.
    """
    source = read_source(path)
    return resolved_alertmanager(validate(AlertmanagerConfig, source), source, path.parent.resolve())


def resolved_alertmanager(
    config: AlertmanagerConfig, source: Source, folder: Path, place: Place = ()
) -> AlertmanagerConfig:
    """A configuration that stands at a place of a file, with names of files relative to a folder.

    Raises ConfigError for a condition without a value, which YAML takes as none at all: a route would
    take alerts that it is not meant for.
    """
    for where in source.lines:
        is_condition = where[: len(place)] == place and len(where) > 1 and where[-2] in _CONDITIONS
        if is_condition and _is_empty(source, where):
            raise source.error(f'the value of the label "{where[-1]}" is missing in {where[-2]}', where)
    return located(config, folder)


def _is_empty(source: Source, place: Place) -> bool:
    data: Any = source.data
    for part in place:
        if isinstance(part, str) and part not in data:
            return True
        data = data[part]
    return data is None
