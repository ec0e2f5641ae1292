"""The section ``alerts``: who is told (``channels``), of what (``rules``), how urgent it is (``levels``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from tocsin.config.short.channels import Channels
from tocsin.config.short.model import PositiveShortDurationMs, ShortDurationMs, ShortModel, fault

Level: TypeAlias = Literal["critical", "high", "medium", "low", "info"]
Severity: TypeAlias = Literal["critical", "high", "medium", "warning", "low", "info"]
Escalation: TypeAlias = Literal["automatic", "manual", "none"]

LEVELS: Final[tuple[Level, ...]] = ("critical", "high", "medium", "low", "info")
"""From the most urgent to the least."""

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS


@dataclass(frozen=True, slots=True)
class LevelDefaults:
    """What holds for a level of which nothing is said, and after how long its alerts are told again."""

    response_time_ms: int
    escalation: Escalation
    repeat_ms: int


DEFAULTS: Final[Mapping[Level, LevelDefaults]] = {
    "critical": LevelDefaults(15 * _MINUTE_MS, "automatic", _HOUR_MS),
    "high": LevelDefaults(_HOUR_MS, "automatic", 4 * _HOUR_MS),
    "medium": LevelDefaults(4 * _HOUR_MS, "manual", 12 * _HOUR_MS),
    "low": LevelDefaults(24 * _HOUR_MS, "none", 24 * _HOUR_MS),
    "info": LevelDefaults(24 * _HOUR_MS, "none", 7 * 24 * _HOUR_MS),
}


def level_of(severity: Severity) -> Level:
    """The level of a severity: ``warning``, as Prometheus' world has it, is ``medium``."""
    return "medium" if severity == "warning" else severity


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("a condition in PromQL is needed, such as memory_usage > 0.9")
    return value


def _each_once(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for name in names or ():
        if names is not None and names.count(name) > 1:
            raise ValueError(f'the channel "{name}" stands twice')
    return names


ChannelNames: TypeAlias = Annotated[tuple[str, ...] | None, AfterValidator(_each_once)]


class AlertRuleConfig(ShortModel):
    """An alert for each series that a condition yields; without ``channels`` those of its level are told."""

    condition: Annotated[str, AfterValidator(_not_blank)]
    severity: Severity = "warning"
    channels: ChannelNames = None
    hold: ShortDurationMs = Field(0, alias="for")
    message: str | None = None


class LevelConfig(ShortModel):
    """How urgent a level is. What is left out is at its default; without ``channels`` all are told."""

    response_time: PositiveShortDurationMs | None = None
    channels: ChannelNames = None
    escalation: Escalation | None = None
    message_template: str | None = None


def _named(rules: dict[str, AlertRuleConfig]) -> dict[str, AlertRuleConfig]:
    if "" in rules:
        raise ValueError("a rule has an empty name")
    return rules


def _known(levels: object) -> object:
    if isinstance(levels, dict):
        for name, level in levels.items():
            if name not in LEVELS:
                raise fault(f"no level (allowed: {', '.join(LEVELS)})", name, level)
    return levels


class AlertsConfig(ShortModel):
    """The section ``alerts``."""

    channels: Channels = Field(default_factory=dict)
    rules: Annotated[dict[str, AlertRuleConfig], AfterValidator(_named)] = Field(default_factory=dict)
    levels: Annotated[dict[Level, LevelConfig], BeforeValidator(_known)] = Field(default_factory=dict)

    def level(self, level: Level) -> LevelConfig:
        """A level with everything that holds for it."""
        own, defaults = self.levels.get(level, LevelConfig()), DEFAULTS[level]
        return LevelConfig(
            response_time=own.response_time or defaults.response_time_ms,
            channels=tuple(self.channels) if own.channels is None else own.channels,
            escalation=own.escalation or defaults.escalation,
            message_template=own.message_template,
        )
