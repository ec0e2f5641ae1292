"""The section ``quality``: what is done with samples on their way in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tocsin.config.model import ConfigModel, LabelName, PositiveDurationMs, located
from tocsin.config.selectors import checked_metric_name, checked_selector, parse_selector
from tocsin.config.source import Source
from tocsin.model import Matcher


def _two_ends(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("two ends are needed, such as [0, 1], or [0, null] where one is open")
    return value


def _ends_in_order(value: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = value
    if low is None and high is None:
        raise ValueError("one end must be a number")
    if (low is not None and math.isnan(low)) or (high is not None and math.isnan(high)):
        raise ValueError("an end must be a number, not NaN")
    if low is not None and high is not None and low > high:
        raise ValueError(f"the lower end {low:g} is above the upper end {high:g}")
    return value


def _own_label(value: str) -> str:
    if value.startswith("__"):
        raise ValueError(f'the label "{value}" cannot be set: names that begin with __ are reserved')
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("an empty value is no label; leave it out")
    return value


Range: TypeAlias = Annotated[
    tuple[float | None, float | None], BeforeValidator(_two_ends), AfterValidator(_ends_in_order)
]
"""The lowest and the highest value allowed; null stands for an open end."""

OwnLabelName: TypeAlias = Annotated[LabelName, AfterValidator(_own_label)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class QualityRule(ConfigModel):
    """Which series a rule is for: those of a ``metric``, or those that a selector matches."""

    metric: Annotated[str, AfterValidator(checked_metric_name)] | None = None
    match: Annotated[str, AfterValidator(checked_selector)] | None = None

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """The selector, compiled; without one, nothing, which every series satisfies."""
        if self.metric is not None:
            return (Matcher.metric(self.metric),)
        return parse_selector(self.match) if self.match is not None else ()

    def _check_selector(self, *, needs_one: bool) -> None:
        if self.metric is not None and self.match is not None:
            raise ValueError("only one of metric and match is allowed")
        if needs_one and self.metric is None and self.match is None:
            raise ValueError("metric or match must say which series the rule is for")


class LookupConfig(ConfigModel):
    """A file (CSV, JSON or YAML) with labels by the value of the label ``key``; by default all are taken."""

    file: Path
    key: LabelName
    labels: tuple[OwnLabelName, ...] = ()


class EnrichmentConfig(QualityRule):
    """Labels that series get, the same for all, or looked up in a file."""

    labels: Mapping[OwnLabelName, Annotated[str, AfterValidator(_not_empty)]] = Field(default_factory=dict)
    lookup: LookupConfig | None = None
    overwrite: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_selector(needs_one=False)
        if not self.labels and self.lookup is None:
            raise ValueError("labels or lookup must say what is added")
        return self


class ValidationConfig(QualityRule):
    """What the values of series must be like, and what becomes of others."""

    type: Literal["finite", "integer"] | None = None
    range: Range | None = None
    monotonic: bool = False
    reset_below: Share = 0.1
    action: Literal["drop", "keep"] = "drop"

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_selector(needs_one=True)
        if self.type is None and self.range is None and not self.monotonic:
            raise ValueError("range, type or monotonic must say what is valid")
        if "reset_below" in self.model_fields_set and not self.monotonic:
            raise ValueError("reset_below has no meaning without monotonic: true")
        return self


class OutlierConfig(QualityRule):
    """How many robust standard deviations values may be from the median of the last ``window`` samples."""

    threshold: Positive = 5.0
    window: Annotated[int, Field(ge=5, le=1000)] = 100
    min_samples: Annotated[int, Field(ge=3)] = 20
    min_deviation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    action: Literal["mark", "drop"] = "mark"
    max_series: Annotated[int, Field(gt=0)] = 20_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_selector(needs_one=True)
        if self.min_samples > self.window:
            raise ValueError(
                f"min_samples {self.min_samples} are more than the window of {self.window} holds"
            )
        return self


class SamplingConfig(QualityRule):
    """How often a series is kept, and which share of the series."""

    keep_every: PositiveDurationMs | None = None
    ratio: Share = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_selector(needs_one=True)
        if self.keep_every is None and "ratio" not in self.model_fields_set:
            raise ValueError("keep_every or ratio must say what is kept")
        return self


class QualityConfig(ConfigModel):
    """Rules for samples on their way in, in the order in which samples meet them."""

    enrichment: tuple[EnrichmentConfig, ...] = ()
    validation: tuple[ValidationConfig, ...] = ()
    outliers: tuple[OutlierConfig, ...] = ()
    sampling: tuple[SamplingConfig, ...] = ()

    @property
    def has_rules(self) -> bool:
        """Whether there is any rule."""
        return bool(self.enrichment or self.validation or self.outliers or self.sampling)


def resolved_quality(config: QualityConfig, source: Source, folder: Path) -> QualityConfig:
    """With names of files absolute below a folder; raises ConfigError where one is missing."""
    resolved = located(config, folder)
    for index, rule in enumerate(resolved.enrichment):
        if rule.lookup is not None and not rule.lookup.file.is_file():
            place = ("quality", "enrichment", index, "lookup", "file")
            raise source.error(f'the lookup file "{rule.lookup.file}" does not exist', place)
    return resolved
