"""The whole configuration: a prometheus.yml, and tocsin's own keys beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from tocsin.config.alerting import AlertingConfig, AlertmanagerConfig
from tocsin.config.model import ConfigModel, LabelName, PositiveDurationMs, located, validate
from tocsin.config.otlp import OtlpConfig
from tocsin.config.push import PushConfig
from tocsin.config.scrape import ScrapeConfig, check_job_names
from tocsin.config.source import Source, parse_source, read_source
from tocsin.config.statsd import StatsdConfig, resolved_statsd
from tocsin.config.storage import RemoteWriteConfigs, StorageConfig

_PATTERN: Final = frozenset("*?[")


class GlobalConfig(ConfigModel):
    """What holds where nothing else is said; the defaults are Prometheus'."""

    scrape_interval: PositiveDurationMs = 60_000
    scrape_timeout: PositiveDurationMs = 10_000
    evaluation_interval: PositiveDurationMs = 60_000
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
    alerting: AlertingConfig = Field(default_factory=AlertingConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)
    remote_write: RemoteWriteConfigs = ()
    query: QueryConfig = Field(default_factory=QueryConfig)
    collectors: CollectorsConfig = Field(default_factory=CollectorsConfig)
    statsd: StatsdConfig | None = None
    otlp: OtlpConfig = Field(default_factory=OtlpConfig)
    push: PushConfig = Field(default_factory=PushConfig)
    alertmanager: AlertmanagerConfig | None = None
    alertmanager_config: str | None = None


def load_settings(path: Path | None) -> Settings:
    """Read a configuration file and those that it includes; without one, everything is at its default.

    Raises ConfigError naming file, line and key of the first fault.
    """
    source = read_source(path) if path else parse_source("", "")
    folder = path.parent.resolve() if path else Path()
    settings = validate(Settings, source)
    return settings.model_copy(
        update={
            "scrape_configs": _scrape_configs(settings, source, folder),
            "rule_files": _rule_files(settings, source, folder),
            "alerting": located(settings.alerting, folder),
            "storage": located(settings.storage, folder),
            "statsd": resolved_statsd(settings.statsd, source, folder) if settings.statsd else None,
            "remote_write": tuple(located(config, folder) for config in settings.remote_write),
            "alertmanager": _alertmanager(settings, source, folder),
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
    if settings.alertmanager_config is None:
        return located(settings.alertmanager, folder) if settings.alertmanager else None
    if settings.alertmanager is not None:
        raise source.error(
            "only one of alertmanager and alertmanager_config is allowed", ("alertmanager_config",)
        )
    path = folder / settings.alertmanager_config
    return located(validate(AlertmanagerConfig, read_source(path)), path.parent)
