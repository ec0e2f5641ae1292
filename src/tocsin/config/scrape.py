"""The ``scrape_configs`` section of a prometheus.yml.

Source: prometheus.io/docs/prometheus/latest/configuration/configuration. Keys, defaults and rules are
those of Prometheus 3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from tocsin.config.http import Authorization, BasicAuth, at_most_one
from tocsin.config.model import ConfigModel, PositiveDurationMs, located
from tocsin.config.relabel import RelabelConfig
from tocsin.model import format_duration_ms

_SIZE_UNITS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]?)(i?)B?", re.ASCII | re.IGNORECASE)


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError(f'not a size: "{value}" (allowed are forms such as 512KB or 10MB)')
    return int(float(match[1]) * 1024 ** _SIZE_UNITS[match[2].upper()])


def _address(value: str) -> str:
    if not value or "/" in value:
        raise ValueError(f'"{value}" is not a valid host:port (the path belongs in metrics_path)')
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


SizeBytes: TypeAlias = Annotated[int, BeforeValidator(_size), Field(ge=0)]
"""A size such as ``10MB`` (powers of 1024, as in Prometheus), held in bytes; 0 means no limit."""

Address: TypeAlias = Annotated[str, AfterValidator(_address)]
Limit: TypeAlias = Annotated[int, Field(ge=0)]
"""A count that must not be exceeded; 0 means no limit."""


class ScrapeProtocol(StrEnum):
    """The text formats that a target may be asked for."""

    TEXT = "PrometheusText0.0.4"
    TEXT_UTF8 = "PrometheusText1.0.0"
    OPENMETRICS_OLD = "OpenMetricsText0.0.1"
    OPENMETRICS = "OpenMetricsText1.0.0"
    PROTOBUF = "PrometheusProto"


class Scheme(StrEnum):
    """How a target is spoken to."""

    HTTP = "http"
    HTTPS = "https"


class TlsVersion(StrEnum):
    """Versions of TLS."""

    TLS10 = "TLS10"
    TLS11 = "TLS11"
    TLS12 = "TLS12"
    TLS13 = "TLS13"


class TargetGroup(ConfigModel):
    """Targets that share labels."""

    targets: tuple[Address, ...] = ()
    labels: Mapping[str, str] = {}


class FileDiscoveryConfig(ConfigModel):
    """Target groups in JSON or YAML files, found by name or glob, read again when they change."""

    files: tuple[Path, ...] = Field(min_length=1)
    refresh_interval: PositiveDurationMs = 300_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.files:
            if name.suffix not in {".json", ".yml", ".yaml"}:
                raise ValueError(f'the name of the file "{name}" must end in .json, .yml or .yaml')
        return self


class TlsConfig(ConfigModel):
    """How a target's certificate is checked, and ours."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: TlsVersion | None = None
    max_version: TlsVersion | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("tls_config needs both cert_file and key_file, or neither")
        return self


class HttpDiscoveryConfig(ConfigModel):
    """An HTTP server that answers with target groups in JSON."""

    url: str
    refresh_interval: PositiveDurationMs = 60_000
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TlsConfig = TlsConfig()
    follow_redirects: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not re.match(r"https?://[^/]", self.url):
            raise ValueError(f'the url "{self.url}" must begin with http:// or https:// and name a host')
        at_most_one("http_sd_configs", basic_auth=self.basic_auth, authorization=self.authorization)
        return self


class DnsRecordType(StrEnum):
    """The records that targets can be read from."""

    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    NS = "NS"


class DnsDiscoveryConfig(ConfigModel):
    """Names whose records are looked up again and again; all but SRV need a port."""

    names: tuple[str, ...] = Field(min_length=1)
    type: Annotated[DnsRecordType, BeforeValidator(_upper)] = DnsRecordType.SRV
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    refresh_interval: PositiveDurationMs = 30_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.type is not DnsRecordType.SRV and self.port is None:
            raise ValueError(f"a port is needed for records of the type {self.type.value}")
        return self


class ScrapeConfig(ConfigModel):
    """One entry of ``scrape_configs``: a job and how its targets are found, reached and read."""

    job_name: str = Field(min_length=1)
    scrape_interval: PositiveDurationMs | None = None
    scrape_timeout: PositiveDurationMs | None = None
    scrape_protocols: tuple[ScrapeProtocol, ...] = Field(
        default=(
            ScrapeProtocol.OPENMETRICS,
            ScrapeProtocol.OPENMETRICS_OLD,
            ScrapeProtocol.TEXT_UTF8,
            ScrapeProtocol.TEXT,
        ),
        min_length=1,
    )
    fallback_scrape_protocol: ScrapeProtocol | None = None
    metrics_path: str = "/metrics"
    scheme: Scheme = Scheme.HTTP
    params: Mapping[str, tuple[str, ...]] = {}
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    enable_compression: bool = True
    follow_redirects: bool = True
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    bearer_token: SecretStr = SecretStr("")
    bearer_token_file: Path | None = None
    tls_config: TlsConfig = TlsConfig()
    static_configs: tuple[TargetGroup, ...] = ()
    file_sd_configs: tuple[FileDiscoveryConfig, ...] = ()
    http_sd_configs: tuple[HttpDiscoveryConfig, ...] = ()
    dns_sd_configs: tuple[DnsDiscoveryConfig, ...] = ()
    relabel_configs: tuple[RelabelConfig, ...] = ()
    metric_relabel_configs: tuple[RelabelConfig, ...] = ()
    body_size_limit: SizeBytes = 0
    sample_limit: Limit = 0
    label_limit: Limit = 0
    label_name_length_limit: Limit = 0
    label_value_length_limit: Limit = 0
    target_limit: Limit = 0
    keep_dropped_targets: Limit = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        at_most_one(
            "a scrape configuration",
            basic_auth=self.basic_auth,
            authorization=self.authorization,
            bearer_token=self.bearer_token,
            bearer_token_file=self.bearer_token_file,
        )
        if len(set(self.scrape_protocols)) < len(self.scrape_protocols):
            raise ValueError("a protocol stands twice in scrape_protocols")
        if self.scrape_interval is not None:
            self._check_timeout(self.scrape_interval)
        return self

    def _check_timeout(self, interval_ms: int) -> None:
        if self.scrape_timeout is not None and self.scrape_timeout > interval_ms:
            raise ValueError(
                f"the scrape_timeout {format_duration_ms(self.scrape_timeout)} of the job "
                f'"{self.job_name}" is longer than its scrape_interval {format_duration_ms(interval_ms)}'
            )

    def resolved(
        self, default_interval_ms: int, default_timeout_ms: int, folder: Path = Path()
    ) -> ScrapeConfig:
        """The job with the global interval and timeout filled in, and files relative to ``folder``.

        A timeout that is inherited is cut to the interval. Raises ValueError with one sentence when the
        job's own timeout is longer than the inherited interval.
        """
        interval_ms = self.scrape_interval or default_interval_ms
        self._check_timeout(interval_ms)
        timeout_ms = self.scrape_timeout or min(default_timeout_ms, interval_ms)
        return located(self, folder).model_copy(
            update={"scrape_interval": interval_ms, "scrape_timeout": timeout_ms}
        )

    @property
    def interval_ms(self) -> int:
        """The interval of a resolved job."""
        if self.scrape_interval is None:
            raise ValueError(f'the job "{self.job_name}" is not resolved')
        return self.scrape_interval

    @property
    def timeout_ms(self) -> int:
        """The timeout of a resolved job."""
        if self.scrape_timeout is None:
            raise ValueError(f'the job "{self.job_name}" is not resolved')
        return self.scrape_timeout


def check_job_names(configs: Iterable[ScrapeConfig]) -> None:
    """Raise ValueError with one sentence when two jobs have the same name."""
    for name, count in Counter(config.job_name for config in configs).items():
        if count > 1:
            raise ValueError(f'the job name "{name}" is used by {count} scrape configurations')
