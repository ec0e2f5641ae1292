"""Rule files as Prometheus writes them: groups of recording and alerting rules."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from tocsin.config.model import ConfigModel, DurationMs, PositiveDurationMs, validate
from tocsin.config.source import Source


def _label_names(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if name in {"", "__name__"}:
            raise ValueError(f'not allowed as a label name: "{name}"')
    return labels


RuleLabels: TypeAlias = Annotated[dict[str, str], AfterValidator(_label_names)]
"""Labels or annotations of a rule; the name of the metric is not theirs to set."""


class RuleConfig(ConfigModel):
    """One rule: ``record`` names a series that the expression writes, ``alert`` an alert that it raises."""

    record: str | None = None
    alert: str | None = None
    expr: str = ""
    hold_ms: DurationMs = Field(0, alias="for")
    keep_firing_ms: DurationMs = Field(0, alias="keep_firing_for")
    labels: RuleLabels = Field(default_factory=dict)
    annotations: RuleLabels = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_kind(self) -> RuleConfig:
        if (self.record is None) == (self.alert is None):
            raise ValueError("one of record and alert is needed, and not both")
        if not (self.record or self.alert):
            raise ValueError("the name is empty")
        if not self.expr.strip():
            raise ValueError("expr is missing")
        if self.record is not None:
            self._check_recording(self.record)
        return self

    def _check_recording(self, record: str) -> None:
        if "{" in record or "}" in record:
            raise ValueError(f'braces in the name "{record}" (does it belong into expr?)')
        if self.hold_ms or self.keep_firing_ms or self.annotations:
            raise ValueError("a recording rule takes no for, keep_firing_for or annotations")


class RuleGroupConfig(ConfigModel):
    """Rules that are evaluated one after the other at one time; without an interval the global one counts."""

    name: Annotated[str, Field(min_length=1)]
    interval_ms: PositiveDurationMs | None = Field(None, alias="interval")
    limit: int = 0
    query_offset_ms: DurationMs | None = Field(None, alias="query_offset")
    labels: RuleLabels = Field(default_factory=dict)
    rules: tuple[RuleConfig, ...] = ()


class RuleFileConfig(ConfigModel):
    """The content of one rule file."""

    groups: tuple[RuleGroupConfig, ...] = ()


def validate_rules(source: Source) -> RuleFileConfig:
    """Read YAML as a rule file; raises ConfigError naming file, line and key of the first fault.

    >>> from tocsin.config import parse_source
    >>> validate_rules(parse_source("groups: [{name: api}]", "api.yml")).groups[0].name
    'api'
    """
    config = validate(RuleFileConfig, source)
    seen: set[str] = set()
    for index, group in enumerate(config.groups):
        if group.name in seen:
            message = f'the group name "{group.name}" stands twice in this file'
            raise source.error(message, ("groups", index, "name"))
        seen.add(group.name)
    return config
