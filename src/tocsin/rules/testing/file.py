"""Test files as promtool reads them: rule files, input series, and what is expected when."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field

from tocsin.config import ConfigModel, DurationMs, Source, read_source, validate

T = TypeVar("T")

DEFAULT_INTERVAL_MS: Final = 60_000

_YAML_NUMBERS: Final = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


def _not_null(items: object) -> object:
    """Take an item that is empty for one without keys."""
    return [{} if item is None else item for item in items] if isinstance(items, list) else items


def _number(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = _YAML_NUMBERS.get(value.lower(), value)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(int(text, 0))
    except (ValueError, OverflowError):
        raise ValueError(f'not a number: "{value[:80]}"') from None


def _instant_ms(value: object) -> object:
    """Seconds since 1970, or RFC 3339."""
    if not isinstance(value, str):
        return value
    try:
        return round(float(value) * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f'not a time: "{value[:80]}" (allowed are seconds since 1970 or 2024-01-01T00:00:00Z)'
        )
    return round(moment.timestamp() * 1000)


Items: TypeAlias = Annotated[tuple[T, ...], BeforeValidator(_not_null)]
Number: TypeAlias = Annotated[float, BeforeValidator(_number)]
InstantMs: TypeAlias = Annotated[int, BeforeValidator(_instant_ms)]


class InputSeriesConfig(ConfigModel):
    """A series and its values, one at each interval."""

    series: str = ""
    values: str = ""


class ExpectedAlertConfig(ConfigModel):
    """One firing alert; ``alertname`` is added to its labels."""

    labels: dict[str, str] = Field(default_factory=dict, alias="exp_labels")
    annotations: dict[str, str] = Field(default_factory=dict, alias="exp_annotations")


class AlertCheckConfig(ConfigModel):
    """Which alerts of one name fire at a time."""

    at_ms: DurationMs = Field(0, alias="eval_time")
    alert: str = Field("", alias="alertname")
    expected: Items[ExpectedAlertConfig] = Field((), alias="exp_alerts")


class ExpectedSampleConfig(ConfigModel):
    """One sample; of a native histogram the value is not looked at."""

    labels: str = ""
    value: Number = 0.0
    histogram: str = ""


class QueryCheckConfig(ConfigModel):
    """What an expression yields at a time."""

    at_ms: DurationMs = Field(0, alias="eval_time")
    expression: str = Field("", alias="expr")
    expected: Items[ExpectedSampleConfig] = Field((), alias="exp_samples")


class RuleTestConfig(ConfigModel):
    """Input series, and what the rules make of them; times count from ``start_ms``."""

    name: str = ""
    interval_ms: DurationMs = Field(0, alias="interval")
    start_ms: InstantMs = Field(0, alias="start_timestamp")
    input_series: Items[InputSeriesConfig] = ()
    alert_checks: Items[AlertCheckConfig] = Field((), alias="alert_rule_test")
    query_checks: Items[QueryCheckConfig] = Field((), alias="promql_expr_test")
    external_labels: dict[str, str] = Field(default_factory=dict)
    external_url: str = ""

    @property
    def duration_ms(self) -> int:
        """The time of the last check."""
        times_ms = [alerts.at_ms for alerts in self.alert_checks]
        times_ms += [query.at_ms for query in self.query_checks]
        return max(times_ms, default=0)


class RuleTestFileConfig(ConfigModel):
    """The content of one test file."""

    rule_files: tuple[str, ...] = ()
    evaluation_interval_ms: DurationMs = Field(0, alias="evaluation_interval")
    group_order: tuple[str, ...] = Field((), alias="group_eval_order")
    fuzzy_compare: bool = False
    tests: Items[RuleTestConfig] = ()


@dataclass(frozen=True, slots=True)
class RuleTestFile:
    """A test file with the rule files that its patterns match, and the patterns that match none."""

    source: Source
    config: RuleTestFileConfig
    rule_files: tuple[Path, ...]
    unmatched: tuple[str, ...]

    @property
    def interval_ms(self) -> int:
        """How often rules are evaluated."""
        return self.config.evaluation_interval_ms or DEFAULT_INTERVAL_MS


def read_test_file(path: Path) -> RuleTestFile:
    """Read a test file; raises ConfigError naming file, line and key of the first fault."""
    source = read_source(path)
    config = validate(RuleTestFileConfig, source)
    for index, name in enumerate(config.group_order):
        if name in config.group_order[:index]:
            raise source.error(f'group_eval_order names "{name}" twice', ("group_eval_order", index))
    found: list[Path] = []
    unmatched: list[str] = []
    for pattern in config.rule_files:
        matches = sorted(glob.glob(str(path.parent / pattern)))  # noqa: PTH207 - patterns may be absolute
        found += map(Path, matches)
        unmatched += [] if matches else [pattern]
    return RuleTestFile(source, config, tuple(dict.fromkeys(found)), tuple(unmatched))
