"""Where samples are kept, and where else they go: the sections ``storage`` and ``remote_write``.

Source of ``remote_write``: prometheus.io/docs/prometheus/latest/configuration/configuration.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from tocsin.config.encryption import EncryptionConfig
from tocsin.config.http import Authorization, BasicAuth, at_most_one
from tocsin.config.model import ConfigModel, DurationMs, PositiveDurationMs
from tocsin.config.relabel import RelabelConfig
from tocsin.config.scrape import SizeBytes, TlsConfig
from tocsin.model import format_duration_ms

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_MINUTE_MS: Final = 60_000
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)

_RESERVED_HEADERS: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-prometheus-remote-write-version",
    }
)
_FOR_DUCKDB: Final = ("hot", "retention", "tiers", "max_series", "encryption", "tsdb")
_FOR_PROMETHEUS: Final = (
    *("write_url", "query_url", "headers", "basic_auth", "authorization", "tls_config", "timeout"),
)


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL is needed that begins with http:// or https:// and names a host")
    if parts.username or parts.password:
        raise ValueError("the URL holds a user or a password (use basic_auth)")
    return value


def _query_base(value: str) -> str:
    """Forgive the ending that stands in many examples."""
    return value.rstrip("/").removesuffix("/api/v1/query").removesuffix("/api/v1").rstrip("/")


HttpUrl: TypeAlias = Annotated[str, AfterValidator(_http_url)]
"""An HTTP address without user and password, so that it may be shown."""


class EngineConfig(ConfigModel):
    """How an engine elsewhere is spoken to: who asks, over which TLS, and how patiently.

    ``headers`` are sent with each request, such as ``X-Scope-OrgID`` of a tenant; their values are
    never shown.
    """

    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TlsConfig = TlsConfig()
    timeout: PositiveDurationMs = 30_000

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, value in headers.items():
            if name.lower() in _RESERVED_HEADERS:
                raise ValueError(f'the header "{name}" is set by tocsin (credentials: see authorization)')
            if not name.isascii() or "\n" in value.get_secret_value():
                raise ValueError(f'the header "{name}" cannot be sent: its name or value is not one line')
        return headers

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        at_most_one("an engine", basic_auth=self.basic_auth, authorization=self.authorization)
        return self


class TierConfig(ConfigModel):
    """How long summaries of intervals are kept, and how long the intervals are."""

    resolution: PositiveDurationMs
    retention: PositiveDurationMs


class TsdbConfig(ConfigModel):
    """Prometheus' section of this name. Without a window, samples may come in any order."""

    out_of_order_time_window: DurationMs | None = None


_DEFAULT_TIERS: Final = (
    TierConfig(resolution=_HOUR_MS // 12, retention=30 * _DAY_MS),
    TierConfig(resolution=_HOUR_MS, retention=365 * _DAY_MS),
)


class StorageConfig(EngineConfig):
    """Where samples are kept.

    ``type: duckdb`` keeps them in files, for ``retention``, and those of the last ``hot`` hours in memory
    as well; after that ``tiers`` keep summaries. Samples of new series are refused while there are
    ``max_series``. Prometheus' ``exemplars`` is accepted and has no meaning here. ``type: prometheus`` keeps
    nothing here: samples go to ``write_url`` by remote write, and queries to the API below ``query_url``.
    """

    type: Literal["duckdb", "prometheus"] = "duckdb"
    hot: PositiveDurationMs = 4 * _HOUR_MS
    retention: PositiveDurationMs = 7 * _DAY_MS
    tiers: tuple[TierConfig, ...] = _DEFAULT_TIERS
    max_series: Annotated[int, Field(gt=0)] = 1_000_000
    encryption: EncryptionConfig | None = None
    tsdb: TsdbConfig = TsdbConfig()
    exemplars: Mapping[str, Any] | None = None
    write_url: HttpUrl | None = None
    query_url: Annotated[HttpUrl, AfterValidator(_query_base)] | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        others = _FOR_PROMETHEUS if self.type == "duckdb" else _FOR_DUCKDB
        wrong = [key for key in others if key in self.model_fields_set]
        if wrong:
            raise ValueError(f'the key "{wrong[0]}" has no meaning for type: {self.type}')
        if self.type == "prometheus" and not (self.write_url and self.query_url):
            raise ValueError("type: prometheus needs write_url and query_url")
        if "tiers" in self.model_fields_set:
            _check_tiers(self.retention, self.tiers)
        return self

    @property
    def summaries(self) -> tuple[tuple[int, int], ...]:
        """Resolution and retention of the tiers in ms; those that are there by default must be of use."""
        return tuple(
            (tier.resolution, tier.retention) for tier in self.tiers if tier.retention > self.retention
        )


def _check_tiers(retention_ms: int, tiers: tuple[TierConfig, ...]) -> None:
    """Each tier is kept longer than the one before, and its intervals are made of whole ones of that."""
    finer_ms = 0
    for tier in tiers:
        resolution = format_duration_ms(tier.resolution)
        if not _MINUTE_MS <= tier.resolution <= _DAY_MS or _DAY_MS % tier.resolution:
            raise ValueError(f"the resolution {resolution} of a tier must be 1m to 1d, and divide a day")
        if finer_ms and (tier.resolution == finer_ms or tier.resolution % finer_ms):
            raise ValueError(
                f"the resolution {resolution} of a tier is no multiple of that before it, "
                f"{format_duration_ms(finer_ms)}"
            )
        if tier.retention <= retention_ms:
            raise ValueError(
                f"the tier {resolution} is kept for {format_duration_ms(tier.retention)}, which is no longer "
                f"than what is finer, {format_duration_ms(retention_ms)}"
            )
        finer_ms, retention_ms = tier.resolution, tier.retention


class QueueConfig(ConfigModel):
    """How samples wait and are sent. The keys are Prometheus'; ``max_size`` bounds the queue on disk.

    ``max_shards`` requests are under way at a time. Prometheus' ``capacity`` and ``min_shards`` are accepted
    and have no meaning here: what waits is on disk, and the number of shards is fixed.
    """

    capacity: Annotated[int, Field(gt=0)] = 10_000
    min_shards: Annotated[int, Field(gt=0)] = 1
    max_shards: Annotated[int, Field(gt=0, le=64)] = 4
    max_samples_per_send: Annotated[int, Field(gt=0)] = 2000
    batch_send_deadline: PositiveDurationMs = 1000
    min_backoff: PositiveDurationMs = 30
    max_backoff: PositiveDurationMs = 5000
    retry_on_http_429: Literal[True, "true"] = True
    sample_age_limit: DurationMs = 24 * _HOUR_MS
    max_size: SizeBytes = 1 << 30

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_backoff < self.min_backoff:
            raise ValueError("max_backoff is shorter than min_backoff")
        if self.max_size < 1 << 20:
            raise ValueError(f"max_size must be 1MB or more, not {self.max_size} bytes")
        return self


class RemoteWriteConfig(EngineConfig):
    """One engine that samples are forwarded to, while tocsin keeps its own store.

    ``name`` is the name of the queue's folder as well; without one the address serves.
    """

    url: HttpUrl
    name: str = ""
    timeout: PositiveDurationMs = Field(default=30_000, alias="remote_timeout")
    write_relabel_configs: tuple[RelabelConfig, ...] = ()
    queue_config: QueueConfig = QueueConfig()
    send_exemplars: bool = False
    send_native_histograms: bool = False
    metadata_config: Mapping[str, Any] | None = None

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name and not _FILE_NAME.fullmatch(self.name):
            raise ValueError(f'the name "{self.name}" may only hold letters, digits, and - _ . inside')
        return self

    @property
    def queue_name(self) -> str:
        """The name, or one made of the address."""
        parts = urlsplit(self.url)
        return self.name or re.sub(r"[^A-Za-z0-9._-]+", "-", f"{parts.netloc}{parts.path}").strip("-.")


def _distinct(configs: tuple[RemoteWriteConfig, ...]) -> tuple[RemoteWriteConfig, ...]:
    for name, count in Counter(config.queue_name for config in configs).items():
        if count > 1:
            raise ValueError(f'the name "{name}" stands twice in remote_write')
    return configs


RemoteWriteConfigs: TypeAlias = Annotated[tuple[RemoteWriteConfig, ...], AfterValidator(_distinct)]
"""Any number of engines, with names of their own."""
