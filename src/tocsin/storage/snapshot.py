"""Snapshots: a consistent copy of a store, made while it goes on being written to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_type_hints

import duckdb

from tocsin.errors import StorageError
from tocsin.storage import encryption
from tocsin.storage.blocks import FOLDER_NAME, BlockFolder
from tocsin.storage.catalogue import read_blocks
from tocsin.storage.file import FILE_NAME, FORMAT_VERSION
from tocsin.storage.key import EncryptionKey
from tocsin.storage.sums import write_sums

MANIFEST_NAME: Final = "manifest.json"
SNAPSHOTS_NAME: Final = "snapshots"
PUSHED_NAME: Final = "pushed_groups.json"

_ATTACHED: Final = "snapshot"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says of itself."""

    format_version: int
    created: str
    series: int
    blocks: int
    encrypted: bool


_KINDS: Final = get_type_hints(Manifest)


def write_snapshot(
    cursor: duckdb.DuckDBPyConnection, blocks: BlockFolder, target: Path, key: EncryptionKey | None
) -> None:
    """Copy a store into a new folder, with hard links of its blocks where the file system has them.

    No block may be removed meanwhile. Raises duckdb.Error or OSError; a folder without a manifest and its
    sums is not complete. The file is copied by DuckDB, because closing another handle of it would release
    its lock.
    """
    (target / FOLDER_NAME).mkdir(parents=True)
    (source,) = cursor.execute("SELECT current_database()").fetchone() or ("",)
    encryption.attach(cursor, target / FILE_NAME, key, _ATTACHED)
    try:
        cursor.execute(f'COPY FROM DATABASE "{source}" TO {_ATTACHED}')
    finally:
        cursor.execute(f"DETACH {_ATTACHED}")
    known = read_blocks(cursor)
    for block in known:
        link_folder(blocks.path / block.name, target / FOLDER_NAME / block.name)
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(blocks.path.parent / PUSHED_NAME, target / PUSHED_NAME)
    (series,) = cursor.execute("SELECT count(*) FROM series").fetchone() or (0,)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(FORMAT_VERSION, created, series, len(known), key is not None)
    (target / MANIFEST_NAME).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    write_sums(target)


def read_manifest(folder: Path) -> Manifest:
    """What a snapshot says of itself; raises StorageError when a folder is none."""
    file = folder / MANIFEST_NAME
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StorageError(f"{folder} is no backup of tocsin: it has no {MANIFEST_NAME}") from error
    except (OSError, ValueError) as error:
        raise StorageError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict) or {name: type(each) for name, each in content.items()} != _KINDS:
        raise StorageError(f"{file} is damaged: it does not hold what tocsin writes there")
    manifest = Manifest(**content)
    if manifest.format_version > FORMAT_VERSION:
        raise StorageError(
            f"{folder} was made by a later tocsin: its format is {manifest.format_version}, "
            f"this one knows up to {FORMAT_VERSION}"
        )
    return manifest


def link_folder(source: Path, target: Path) -> None:
    """Make a folder with the same files, which take no room of their own where that is possible."""
    shutil.copytree(source, target, copy_function=link_file)


def link_file(file: str | Path, place: str | Path) -> None:
    """Give a file another name; raises OSError."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)
