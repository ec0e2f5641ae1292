"""The store that a command is about: that of a running tocsin, or one that nobody uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from tocsin.commands.api import ask, delete, running_urls, server_url
from tocsin.commands.up import default_data_dir
from tocsin.config.settings import load_settings
from tocsin.errors import QueryError, StorageError, UsageError
from tocsin.server.stores import encryption_key
from tocsin.storage import encryption
from tocsin.storage.blocks import FOLDER_NAME, BlockFolder
from tocsin.storage.file import FILE_NAME, open_store
from tocsin.storage.key import EncryptionKey
from tocsin.storage.snapshot import SNAPSHOTS_NAME, read_manifest, write_snapshot

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the store, whether or not a tocsin runs on it.")
]
UrlOption = Annotated[str | None, typer.Option("--url", help="Of the tocsin to ask.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration that says where the key of the store is.")
]


_USAGE: Final = "/api/tocsin/storage"


@dataclass(frozen=True, slots=True)
class Source:
    """A consistent copy of a store, and its key if the configuration names one."""

    folder: Path
    key: EncryptionKey | None


def configured_key(config: Path | None) -> EncryptionKey | None:
    """The key that a configuration file names; raises ConfigError."""
    return encryption_key(load_settings(config).storage.encryption) if config else None


def check_key(folder: Path, key: EncryptionKey | None) -> None:
    """Raise UsageError when there is no key for a backup or snapshot that is encrypted, or a needless one."""
    is_encrypted = read_manifest(folder).encrypted
    if is_encrypted and key is None:
        raise UsageError(f"{folder} is encrypted; say by --config where its key is")
    if key is not None and not is_encrypted:
        raise UsageError(f"{folder} is not encrypted, but --config names {key.origin} for it")


@contextmanager
def snapshot_of(data: Path | None, url: str | None, config: Path | None) -> Iterator[Source]:
    """A snapshot of the store of a running tocsin, or of a folder; it is removed at the end.

    Raises UsageError, StorageError or QueryError when there is none.
    """
    key = configured_key(config)
    server = server_of(data, url)
    if server:
        with _snapshot_of_server(server) as folder:
            yield Source(folder, key)
    else:
        with _snapshot_of_folder(data or default_data_dir(), key) as folder:
            yield Source(folder, key)


def server_of(data: Path | None, url: str | None) -> str | None:
    """The URL of the tocsin that a command is about, or None when it is about a folder that nobody uses.

    Without a folder and a URL it is the tocsin that commands would ask, if it answers. Raises UsageError.
    """
    if data is not None and url is not None:
        raise UsageError("--data and --url both say which store is meant; give one of them")
    if data is not None:
        return next((each for each in running_urls() if _has_store(each, data / FILE_NAME)), None)
    return url or (server_url() if _answers(server_url()) else None)


def _has_store(url: str, file: Path) -> bool:
    """Whether a tocsin answers that has its store in a file."""
    try:
        return Path(ask(url, _USAGE)["path"]) == file.resolve()
    except (UsageError, QueryError):
        # It has just ended, or keeps its samples elsewhere.
        return False


def _answers(url: str) -> bool:
    try:
        ask(url, _USAGE)
    except UsageError:
        return False
    return True


@contextmanager
def _snapshot_of_server(url: str) -> Iterator[Path]:
    taken = ask(url, "/api/tocsin/storage/snapshots", {})
    folder = Path(taken["path"])
    try:
        if not folder.is_dir():
            raise UsageError(f"the tocsin at {url} runs on another machine; run this command there")
        yield folder
    finally:
        # A tocsin that has ended meanwhile clears it away when it starts again.
        with suppress(UsageError, QueryError):
            delete(url, f"/api/tocsin/storage/snapshots/{taken['name']}")


@contextmanager
def _snapshot_of_folder(data: Path, key: EncryptionKey | None) -> Iterator[Path]:
    if not (data / FILE_NAME).exists():
        raise StorageError(f"{data} has no {FILE_NAME}, and no tocsin runs")
    folder = data / SNAPSHOTS_NAME / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    connection = open_store(data / FILE_NAME, key)
    try:
        with connection, encryption.cursor(connection, key) as cursor:
            write_snapshot(cursor, BlockFolder(data / FOLDER_NAME, key), folder, key)
        yield folder
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
