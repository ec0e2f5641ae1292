"""``tocsin storage backup`` and ``restore``."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands.copying import copy_folder
from tocsin.commands.storage_source import (
    ConfigOption,
    DataOption,
    UrlOption,
    check_key,
    configured_key,
    snapshot_of,
)
from tocsin.commands.storage_verify import verified
from tocsin.commands.up import default_data_dir
from tocsin.errors import StorageError, UsageError
from tocsin.storage.blocks import FOLDER_NAME, sync
from tocsin.storage.file import FILE_NAME, refuse_if_used
from tocsin.storage.snapshot import MANIFEST_NAME, PUSHED_NAME, read_manifest

_LOG_NAME = f"{FILE_NAME}.wal"


def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="A new folder.")],
    data: DataOption = None,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> int:
    """Copy the whole store to a new folder, while tocsin goes on."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not an empty folder; a backup needs a new one")
    with snapshot_of(data, url, config) as source:
        try:
            copy_folder(source.folder, target, "backup")
        except OSError as error:
            raise StorageError(f"cannot write {target}: {error.strerror}") from error
    manifest = read_manifest(target)
    print(f"{target}: {manifest.series:,} series, {manifest.blocks} blocks, made {manifest.created}")
    return 0


def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="A backup.")],
    data: Annotated[Path | None, typer.Option("--data", help="Folder to put the store into.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move a store that is there to a folder beside it.")
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Put a backup into a data folder that no tocsin uses, after verifying it."""
    folder, key = data or default_data_dir(), configured_key(config)
    manifest = read_manifest(source)
    check_key(source, key)
    _check_place(folder, replace=replace)
    if faults := list(verified(source, key)):
        raise StorageError(f"{source} was not restored: {faults[0]}")
    arrived = folder / "restoring"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(arrived, ignore_errors=True)
        copy_folder(source, arrived, "restore")
        aside = _move_aside(folder)
        # The file comes last: without it there is no store yet.
        for name in (FOLDER_NAME, PUSHED_NAME, FILE_NAME):
            if (arrived / name).exists():
                (arrived / name).rename(folder / name)
        shutil.rmtree(arrived)
        sync(folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    print(f"{folder}: {manifest.series:,} series as of {manifest.created}")
    if aside:
        print(f"what was there is in {aside}")
    return 0


def _check_place(folder: Path, *, replace: bool) -> None:
    """Refuse a folder that has a store, unless it is to be replaced and nobody uses it."""
    file = folder / FILE_NAME
    if not file.exists():
        return
    if not replace:
        raise UsageError(f"{folder} has a store already; choose another --data folder, or say --replace")
    # It may be damaged, or its key lost: that is what backups are for.
    refuse_if_used(file)


def _move_aside(folder: Path) -> Path | None:
    aside = folder / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    found = [
        name
        for name in (FILE_NAME, _LOG_NAME, FOLDER_NAME, PUSHED_NAME, MANIFEST_NAME)
        if (folder / name).exists()
    ]
    if not found:
        return None
    aside.mkdir()
    for name in found:
        (folder / name).rename(aside / name)
    return aside
