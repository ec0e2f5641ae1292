"""The store that a configuration asks for, and the ways out of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tocsin.config.encryption import EncryptionConfig
from tocsin.config.http import authorization_header
from tocsin.config.settings import Settings
from tocsin.config.storage import EngineConfig, RemoteWriteConfig, StorageConfig
from tocsin.model import Clock, Labels
from tocsin.receive import encode_write_request
from tocsin.scrape.fetch import ssl_context
from tocsin.scrape.relabel import relabel
from tocsin.server.quality import make_rules
from tocsin.storage import DuckDBStorage, Storage, StorageSettings
from tocsin.storage.forward import Forwarder, ForwardingStorage, Pace, Route
from tocsin.storage.key import EncryptionKey, key_from_environment, key_from_file
from tocsin.storage.quality import QualityStorage
from tocsin.storage.remote import Connection, RemoteStorage
from tocsin.storage.remote.sender import RequestSender


def open_storage(settings: Settings, folder: Path, clock: Clock) -> Storage:
    """The store, with what goes out of it; raises ConfigError or StorageError when it cannot be had."""
    external = settings.global_.external_labels
    queues = folder / "remote_write"
    forwarders = [make_forwarder(config, external, queues, clock) for config in settings.remote_write]
    rules = make_rules(settings.quality) if settings.quality.has_rules else None
    storage = _open(settings.storage, folder, clock)
    if forwarders:
        storage = ForwardingStorage(storage, forwarders)
    # What is forwarded has passed the rules too.
    return QualityStorage(storage, rules, clock, settings.storage.max_series) if rules else storage


def open_embedded(config: StorageConfig, folder: Path, clock: Clock) -> DuckDBStorage:
    """The store in a folder; raises ConfigError or StorageError when it cannot be had."""
    kept = StorageSettings(
        hot_ms=config.hot,
        retention_ms=config.retention,
        max_series=config.max_series,
        summaries=config.summaries,
        out_of_order_ms=config.tsdb.out_of_order_time_window,
    )
    return DuckDBStorage(folder, kept, clock, encryption_key(config.encryption))


def _open(config: StorageConfig, folder: Path, clock: Clock) -> Storage:
    if config.type == "prometheus":
        connection = make_connection(config, config.write_url or "", config.query_url or "")
        return RemoteStorage(connection, encode_write_request, clock)
    return open_embedded(config, folder, clock)


def encryption_key(config: EncryptionConfig | None) -> EncryptionKey | None:
    """The key that a configuration names; raises ConfigError when it is not there or is none."""
    if config is None:
        return None
    return key_from_file(config.key_file) if config.key_file else key_from_environment(config.key_env or "")


def make_connection(config: EngineConfig, write_url: str, query_url: str = "") -> Connection:
    """How to speak to an engine; raises ConfigError when a file of ``tls_config`` cannot be used."""

    def headers() -> Mapping[str, str]:
        own = {name: value.get_secret_value() for name, value in config.headers.items()}
        return {**own, **authorization_header(config.basic_auth, config.authorization)}

    return Connection(
        write_url=write_url,
        query_url=query_url,
        ssl_context=ssl_context(config.tls_config),
        headers=headers,
        server_name=config.tls_config.server_name,
        timeout_s=config.timeout / 1000,
    )


def make_forwarder(
    config: RemoteWriteConfig, external_labels: Mapping[str, str], folder: Path, clock: Clock
) -> Forwarder:
    """One way out, with its queue below a folder; raises ConfigError or StorageError."""

    def renamed(labels: Labels) -> Labels | None:
        found = relabel({**external_labels, **labels}, config.write_relabel_configs)
        return Labels(found) if found else None

    queue = config.queue_config
    pace = Pace(
        queue.max_samples_per_send,
        queue.batch_send_deadline / 1000,
        queue.min_backoff / 1000,
        queue.max_backoff / 1000,
        queue.sample_age_limit,
    )
    route = Route(config.queue_name, renamed, queue.max_shards, queue.max_size, pace)
    sender = RequestSender(make_connection(config, config.url))
    return Forwarder(route, folder / config.queue_name, sender, encode_write_request, clock)
