"""The whole configuration: a prometheus.yml, and tocsin's own keys beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, PrivateAttr

from tocsin.config.alerting import AlertingConfig
from tocsin.config.alertmanager import AlertmanagerConfig, read_alertmanager, resolved_alertmanager
from tocsin.config.drills import DrillConfig, HeartbeatConfig, check_drills
from tocsin.config.escalation import (
    EscalationConfig,
    IncidentsConfig,
    MaintenanceConfig,
    OnCallConfig,
    check_escalations,
)
from tocsin.config.model import ConfigModel, DurationMs, LabelName, PositiveDurationMs, located, validate
from tocsin.config.otlp import OtlpConfig
from tocsin.config.push import PushConfig
from tocsin.config.quality import QualityConfig, resolved_quality
from tocsin.config.scrape import ScrapeConfig, check_job_names
from tocsin.config.short import (
    AlertsConfig,
    MonitoringConfig,
    ShortForms,
    compile_short_forms,
    read_expanded,
)
from tocsin.config.source import Place, Source, parse_source
from tocsin.config.statsd import StatsdConfig, resolved_statsd
from tocsin.config.storage import RemoteWriteConfigs, StorageConfig
from tocsin.errors import ConfigError

_PATTERN: Final = frozenset("*?[")


class GlobalConfig(ConfigModel):
    """What holds where nothing else is said; the defaults are Prometheus'."""

    scrape_interval: PositiveDurationMs = 60_000
    scrape_timeout: PositiveDurationMs = 10_000
    evaluation_interval: PositiveDurationMs = 60_000
    rule_query_offset: DurationMs = 0
    external_labels: dict[LabelName, str] = Field(default_factory=dict)


class QueryConfig(ConfigModel):
    """What queries may take, and two switches of the language. The defaults are Prometheus'."""

    timeout: PositiveDurationMs = 120_000
    max_samples: Annotated[int, Field(gt=0)] = 50_000_000
    max_series: Annotated[int, Field(gt=0)] = 1_000_000
    max_concurrency: Annotated[int, Field(gt=0)] = 20
    lookback_delta: PositiveDurationMs = 300_000
    delayed_name_removal: bool = False
    experimental_functions: bool = False


class CollectorsConfig(ConfigModel):
    """What is collected on this machine, and how often; ``custom`` names classes as ``module:Class``."""

    enabled: bool = True
    interval: PositiveDurationMs = 5000
    custom: tuple[str, ...] = ()


class Settings(ConfigModel):
    """A configuration file. Scrape configurations are resolved, and names of files are absolute."""

    global_: GlobalConfig = Field(default_factory=GlobalConfig, alias="global")
    scrape_configs: tuple[ScrapeConfig, ...] = ()
    rule_files: tuple[str, ...] = ()
    disabled_rules: tuple[str, ...] = ()
    alerting: AlertingConfig = Field(default_factory=AlertingConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)
    remote_write: RemoteWriteConfigs = ()
    quality: QualityConfig = QualityConfig()
    query: QueryConfig = Field(default_factory=QueryConfig)
    collectors: CollectorsConfig = Field(default_factory=CollectorsConfig)
    statsd: StatsdConfig | None = None
    otlp: OtlpConfig = Field(default_factory=OtlpConfig)
    push: PushConfig = Field(default_factory=PushConfig)
    alertmanager: AlertmanagerConfig | None = None
    alertmanager_config: str | None = None
    escalations: tuple[EscalationConfig, ...] = ()
    on_call: tuple[OnCallConfig, ...] = ()
    incidents: IncidentsConfig = IncidentsConfig()
    maintenance: tuple[MaintenanceConfig, ...] = ()
    drills: tuple[DrillConfig, ...] = ()
    heartbeat: HeartbeatConfig | None = None
    monitoring: MonitoringConfig = MonitoringConfig()
    alerts: AlertsConfig = AlertsConfig()
    _source: Source = PrivateAttr(default_factory=lambda: parse_source("", ""))
    _short_rules: Source = PrivateAttr(default_factory=lambda: parse_source("", ""))

    @property
    def short_rules(self) -> Source:
        """The rule file that ``monitoring`` and ``alerts`` stand for, with the lines of the configuration."""
        return self._short_rules

    def error(self, message: str, place: Place) -> ConfigError:
        """An error found later, which names file and line as those do that are found while reading."""
        return self._source.error(message, place)

    def with_short_forms(self, forms: ShortForms) -> Settings:
        """Put what ``monitoring`` and ``alerts`` mean into the other sections."""
        changes: dict[str, object] = {
            "alertmanager": forms.alertmanager,
            "escalations": (*self.escalations, *forms.escalations),
        }
        frequency = self.monitoring.update_frequency
        if frequency is not None and "interval" not in self.collectors.model_fields_set:
            changes["collectors"] = self.collectors.model_copy(update={"interval": frequency})
        settings = self.model_copy(update=changes)
        settings._short_rules = forms.rules  # noqa: SLF001 - of a copy of its own
        return settings


def load_settings(path: Path | None) -> Settings:
    """Read a configuration file and those that it includes; without one, everything is at its default.

    Raises ConfigError naming file, line and key of the first fault.
    """
    source = read_expanded(path) if path else parse_source("", "")
    folder = path.parent.resolve() if path else Path()
    settings = validate(Settings, source)
    settings._source = source  # noqa: SLF001 - its own, which validation does not hand on
    alertmanager = _alertmanager(settings, source, folder)
    forms = compile_short_forms(settings.monitoring, settings.alerts, alertmanager, source)
    settings = settings.with_short_forms(forms)
    _check_escalations(settings, source)
    _check_drills(settings, source)
    return settings.model_copy(
        update={
            "scrape_configs": _scrape_configs(settings, source, folder),
            "rule_files": _rule_files(settings, source, folder),
            "alerting": located(settings.alerting, folder),
            "heartbeat": settings.heartbeat and located(settings.heartbeat, folder),
            "storage": located(settings.storage, folder),
            "quality": resolved_quality(settings.quality, source, folder),
            "statsd": resolved_statsd(settings.statsd, source, folder) if settings.statsd else None,
            "remote_write": tuple(located(config, folder) for config in settings.remote_write),
        }
    )


def _scrape_configs(settings: Settings, source: Source, folder: Path) -> tuple[ScrapeConfig, ...]:
    resolved = []
    for index, config in enumerate(settings.scrape_configs):
        try:
            check_job_names(settings.scrape_configs[: index + 1])
            resolved.append(
                config.resolved(settings.global_.scrape_interval, settings.global_.scrape_timeout, folder)
            )
        except ValueError as error:
            raise source.error(str(error), ("scrape_configs", index)) from error
    return tuple(resolved)


def _rule_files(settings: Settings, source: Source, folder: Path) -> tuple[str, ...]:
    """Expand patterns; a plain name must exist, a pattern may match nothing, as in Prometheus."""
    files: list[str] = []
    for index, name in enumerate(settings.rule_files):
        found = sorted(str(path) for path in _matching(folder, name))
        if not found and not _PATTERN.intersection(name):
            raise source.error(f'the rule file "{name}" does not exist', ("rule_files", index))
        files += found
    return tuple(files)


def _matching(folder: Path, pattern: str) -> Iterable[Path]:
    """Files that a pattern names, relative to a folder unless it is absolute."""
    path = folder / pattern
    return Path(path.anchor).glob(str(path.relative_to(path.anchor))) if path.anchor else Path().glob(pattern)


def _alertmanager(settings: Settings, source: Source, folder: Path) -> AlertmanagerConfig | None:
    inline, file = settings.alertmanager, settings.alertmanager_config
    if inline is not None and file is not None:
        raise source.error(
            "only one of alertmanager and alertmanager_config is allowed", ("alertmanager_config",)
        )
    if file is not None:
        return read_alertmanager(folder / file)
    return inline and resolved_alertmanager(inline, source, folder, ("alertmanager",))


def _check_escalations(settings: Settings, source: Source) -> None:
    try:
        check_escalations(settings.escalations, settings.on_call, _receivers(settings))
    except ValueError as error:
        raise source.error(str(error), ("escalations",)) from error


def _check_drills(settings: Settings, source: Source) -> None:
    try:
        check_drills(settings.drills, settings.heartbeat, _receivers(settings))
    except ValueError as error:
        raise source.error(str(error), ("drills",) if settings.drills else ("heartbeat",)) from error


def _receivers(settings: Settings) -> list[str]:
    alertmanager = settings.alertmanager
    return [receiver.name for receiver in alertmanager.receivers] if alertmanager else []
