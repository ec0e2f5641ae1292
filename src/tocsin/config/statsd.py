"""The ``statsd`` section, and the mapping files of statsd_exporter that it takes as they are.

Source: github.com/prometheus/statsd_exporter. Keys, defaults and rules of a mapping file are those of the
exporter, the deprecated ones included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tocsin.config.go_duration import GoDurationMs
from tocsin.config.model import ConfigModel, LabelName, PositiveDurationMs, validate
from tocsin.config.scrape import SizeBytes
from tocsin.config.source import Place, Source, read_source
from tocsin.model.regex import checked_regex

DEFAULT_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_PRESETS: Final = Path(__file__).with_name("presets")

_GLOB_FIELD: Final = r"(?:\*|[a-zA-Z0-9_][a-zA-Z0-9_-]*)"
_GLOB: Final = re.compile(rf"{_GLOB_FIELD}(?:\.{_GLOB_FIELD})*", re.ASCII)
_REFERENCE: Final = r"\$\{?\d+\}?"
_NAME: Final = re.compile(rf"(?:[a-zA-Z_]|{_REFERENCE})(?:[a-zA-Z0-9_]|{_REFERENCE})*", re.ASCII)


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    is_written = not value or (bool(colon) and port.isascii() and port.isdigit() and int(port) <= 65535)
    if not is_written or (":" in host and not host.startswith("[")):
        raise ValueError(f'"{value}" is no address (allowed are host:port, :port and an empty text)')
    return value


def _mode(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"[0-7]{3,4}", value):
        raise ValueError(f'not the mode of a file: "{value}" (allowed are three or four octal digits)')
    return int(value, 8)


def _buckets(value: tuple[float, ...]) -> tuple[float, ...]:
    bounds = value[:-1] if value and value[-1] == math.inf else value
    if any(not math.isfinite(bound) for bound in bounds) or list(bounds) != sorted(set(bounds)):
        raise ValueError("the bounds of buckets must be numbers that rise")
    return bounds


ListenAddress: TypeAlias = Annotated[str, AfterValidator(_address)]
"""``host:port``, or ``:port`` for every interface, or an empty text for nothing."""

Buckets: TypeAlias = Annotated[tuple[float, ...], AfterValidator(_buckets)]
"""Upper bounds of buckets; ``+Inf`` is understood."""

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class TagFormat(StrEnum):
    """The ways in which tags may be written in a line."""

    DOGSTATSD = "dogstatsd"
    INFLUXDB = "influxdb"
    LIBRATO = "librato"
    SIGNALFX = "signalfx"


class MatchType(StrEnum):
    """How the name in a mapping is to be understood."""

    GLOB = "glob"
    REGEX = "regex"


class MappingAction(StrEnum):
    """What a mapping does with what it matches."""

    MAP = "map"
    DROP = "drop"


class ObserverType(StrEnum):
    """What timers, histograms and distributions become."""

    HISTOGRAM = "histogram"
    SUMMARY = "summary"


class EventType(StrEnum):
    """What a line reports; timers, histograms and distributions are observers."""

    COUNTER = "counter"
    GAUGE = "gauge"
    OBSERVER = "observer"


def _event_type(value: object) -> object:
    return EventType.OBSERVER if value == "timer" else _absent_if_empty(value)


class Quantile(ConfigModel):
    """One quantile of a summary, and the error in rank that is allowed for it."""

    quantile: Share
    error: Share = 0.0


DEFAULT_QUANTILES: Final = (
    Quantile(quantile=0.5, error=0.05),
    Quantile(quantile=0.9, error=0.01),
    Quantile(quantile=0.99, error=0.001),
)


class SummaryOptions(ConfigModel):
    """Quantiles of a summary, and the sliding time that they cover; 0 stands for the default.

    ``buf_cap`` is taken and has no effect.
    """

    quantiles: tuple[Quantile, ...] = ()
    max_age: GoDurationMs = 0
    age_buckets: Annotated[int, Field(ge=0, le=1000)] = 0
    buf_cap: Annotated[int, Field(ge=0)] = 0

    def over(self, defaults: SummaryOptions) -> SummaryOptions:
        """These options, and others where these say nothing."""
        names = type(self).model_fields
        return SummaryOptions.model_construct(
            **{name: getattr(self, name) or getattr(defaults, name) for name in names}
        )


class HistogramOptions(ConfigModel):
    """Bounds of the buckets of a histogram; none stands for the default."""

    buckets: Buckets = ()


ObserverChoice: TypeAlias = Annotated[ObserverType | None, BeforeValidator(_absent_if_empty)]
MatchChoice: TypeAlias = Annotated[MatchType | None, BeforeValidator(_absent_if_empty)]


class MappingDefaults(ConfigModel):
    """What holds for mappings that say nothing else, and for names without a mapping."""

    observer_type: ObserverChoice = None
    timer_type: ObserverChoice = None
    buckets: Buckets = ()
    quantiles: tuple[Quantile, ...] = ()
    match_type: MatchChoice = None
    glob_disable_ordering: bool = False
    ttl: GoDurationMs = 0
    summary_options: SummaryOptions = SummaryOptions()
    histogram_options: HistogramOptions = HistogramOptions()

    def resolved(self) -> MappingDefaults:
        """With the deprecated keys in their new places, and the exporter's defaults where nothing is set."""
        quantiles = self.summary_options.quantiles or self.quantiles or DEFAULT_QUANTILES
        buckets = self.histogram_options.buckets or self.buckets or DEFAULT_BUCKETS
        return self.model_copy(
            update={
                "observer_type": self.observer_type or self.timer_type or ObserverType.SUMMARY,
                "match_type": self.match_type or MatchType.GLOB,
                "summary_options": self.summary_options.model_copy(update={"quantiles": quantiles}),
                "histogram_options": HistogramOptions.model_construct(buckets=buckets),
            }
        )


class StatsdMapping(ConfigModel):
    """One mapping: the names that it matches, and the metric and labels that they become."""

    match: str
    name: str = ""
    labels: Mapping[LabelName, str] = {}
    honor_labels: bool = False
    observer_type: ObserverChoice = None
    timer_type: ObserverChoice = None
    buckets: Buckets | None = None
    quantiles: tuple[Quantile, ...] | None = None
    match_type: MatchChoice = None
    help: str = ""
    action: Annotated[MappingAction, BeforeValidator(lambda value: value or MappingAction.MAP)] = (
        MappingAction.MAP
    )
    match_metric_type: Annotated[EventType | None, BeforeValidator(_event_type)] = None
    ttl: GoDurationMs = 0
    summary_options: SummaryOptions | None = None
    histogram_options: HistogramOptions | None = None
    scale: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.name:
            raise ValueError(f'the mapping of "{self.match}" has no name')
        if not _NAME.fullmatch(self.name):
            raise ValueError(f'"{self.name}" is no name of a metric (letters, digits, _ and $1 are allowed)')
        if self.quantiles is not None and self.summary_options and self.summary_options.quantiles:
            raise ValueError("quantiles stand both in the mapping and in its summary_options")
        if self.buckets is not None and self.histogram_options and self.histogram_options.buckets:
            raise ValueError("buckets stand both in the mapping and in its histogram_options")
        return self

    def resolved(self, written: MappingDefaults) -> StatsdMapping:
        """With the defaults where it says nothing; raises ValueError when both together make no sense."""
        defaults = written.resolved()
        observer = self.observer_type or self.timer_type or written.observer_type or written.timer_type
        match_type = self.match_type or defaults.match_type
        self._check_match(match_type)
        self._check_options(observer)
        summary = self.summary_options or SummaryOptions()
        own = self.quantiles or summary.quantiles
        buckets = self.buckets or (self.histogram_options or HistogramOptions()).buckets
        return self.model_copy(
            update={
                "observer_type": observer or ObserverType.SUMMARY,
                "match_type": match_type,
                "ttl": self.ttl or defaults.ttl,
                "summary_options": summary.model_copy(update={"quantiles": own}).over(
                    defaults.summary_options
                ),
                "histogram_options": HistogramOptions.model_construct(
                    buckets=buckets or defaults.histogram_options.buckets
                ),
            }
        )

    def _check_match(self, match_type: MatchType | None) -> None:
        if match_type is MatchType.REGEX:
            checked_regex(self.match)
        elif not _GLOB.fullmatch(self.match):
            raise ValueError(
                f'"{self.match}" is no glob (allowed are names and * between dots; see match_type: regex)'
            )

    def _check_options(self, observer: ObserverType | None) -> None:
        if observer is ObserverType.HISTOGRAM and self.summary_options is not None:
            raise ValueError("summary_options have no meaning for observer_type: histogram")
        if observer is ObserverType.SUMMARY and self.histogram_options is not None:
            raise ValueError("histogram_options have no meaning for observer_type: summary")


class StatsdMappingConfig(ConfigModel):
    """The content of a mapping file."""

    defaults: MappingDefaults = MappingDefaults()
    mappings: tuple[StatsdMapping, ...] = ()

    def resolved(self, source: Source, place: Place = ()) -> StatsdMappingConfig:
        """With the defaults in every mapping; raises ConfigError naming the line of one that is wrong."""
        mappings = []
        for index, mapping in enumerate(self.mappings):
            try:
                mappings.append(mapping.resolved(self.defaults))
            except ValueError as error:
                raise source.error(f"mappings[{index}]: {error}", (*place, "mappings", index)) from error
        update: Mapping[str, Any] = {"defaults": self.defaults.resolved(), "mappings": tuple(mappings)}
        return self.model_copy(update=update)


def validate_mapping(source: Source) -> StatsdMappingConfig:
    """Read YAML as a mapping file, defaults filled in; raises ConfigError naming file, line and key.

    >>> from tocsin.config import parse_source
    >>> text = "mappings: [{match: web.*, name: web, labels: {site: $1}}]"
    >>> validate_mapping(parse_source(text, "mapping.yml")).mappings[0].match_type.value
    'glob'
    """
    return validate(StatsdMappingConfig, source).resolved(source)


def _no_mapping() -> StatsdMappingConfig:
    return validate_mapping(Source("", None, {}))


class Preset(StrEnum):
    """Mappings that come with tocsin, one file each."""

    NVFLARE = "nvflare"


class StatsdConfig(ConfigModel):
    """Where StatsD is listened for, and what becomes of it.

    ``listen`` holds for UDP and TCP unless ``listen_udp`` or ``listen_tcp`` says otherwise.

    ``labels`` are added to every series that has no such label. ``keep_client_metrics`` lets through what
    DogStatsD clients report about themselves. The mapping stands here, in a file (``mapping_config``), or is
    one that comes with tocsin (``preset``).
    """

    listen: ListenAddress = "127.0.0.1:8125"
    listen_udp: ListenAddress | None = None
    listen_tcp: ListenAddress | None = None
    listen_unixgram: Path | None = None
    unixsocket_mode: Annotated[int, BeforeValidator(_mode)] = 0o755
    read_buffer: SizeBytes = 32 * 1024 * 1024
    flush_interval: PositiveDurationMs = 1000
    max_series: Annotated[int, Field(gt=0)] = 100_000
    tag_formats: frozenset[TagFormat] = frozenset(TagFormat)
    labels: Mapping[LabelName, str] = {}
    keep_client_metrics: bool = False
    mapping: StatsdMappingConfig = Field(default_factory=_no_mapping)
    mapping_config: str | None = None
    preset: Preset | None = None

    @property
    def udp_address(self) -> str:
        """Where UDP is listened for; empty for nowhere."""
        return self.listen if self.listen_udp is None else self.listen_udp

    @property
    def tcp_address(self) -> str:
        """Where TCP is listened for; empty for nowhere."""
        return self.listen if self.listen_tcp is None else self.listen_tcp


def resolved_statsd(
    config: StatsdConfig, source: Source, folder: Path, place: Sequence[str | int] = ("statsd",)
) -> StatsdConfig:
    """With the mapping read and checked, and names of files absolute below a folder.

    ``place`` is where the section stands in the source. Raises ConfigError naming file, line and key.
    """
    given = {"mapping", "mapping_config", "preset"} & config.model_fields_set
    if len(given) > 1:
        raise source.error("only one of mapping, mapping_config and preset is allowed", (*place, max(given)))
    if config.preset is not None:
        mapping = validate_mapping(read_source(_PRESETS / f"{config.preset}.yml"))
    elif config.mapping_config is None:
        mapping = config.mapping.resolved(source, (*place, "mapping"))
    else:
        mapping = validate_mapping(read_source(folder / config.mapping_config))
    socket = folder / config.listen_unixgram if config.listen_unixgram else None
    return config.model_copy(update={"mapping": mapping, "listen_unixgram": socket})
