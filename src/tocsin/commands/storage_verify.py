"""``tocsin storage verify``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands.copying import bar
from tocsin.commands.storage_source import (
    ConfigOption,
    DataOption,
    UrlOption,
    check_key,
    configured_key,
    snapshot_of,
)
from tocsin.storage.key import EncryptionKey
from tocsin.storage.verification import verify as verify_store


def verify(
    backup: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", show_default=False, help="A backup, instead of a store.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> int:
    """Read everything and say what is damaged; exit status 1 if anything is."""
    if backup is not None:
        key = configured_key(config)
        check_key(backup, key)
        return _tell(verified(backup, key))
    with snapshot_of(data, url, config) as source:
        check_key(source.folder, source.key)
        return _tell(verified(source.folder, source.key))


def verified(folder: Path, key: EncryptionKey | None) -> Iterator[str]:
    """Read everything with a bar that shows how far it is; gives what is wrong."""
    with bar() as progress:
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        task = progress.add_task("verify", total=total)
        for part in verify_store(folder, key):
            progress.advance(task, part.byte_count)
            yield from part.faults
        progress.update(task, completed=total)


def _tell(faults: Iterator[str]) -> int:
    count = 0
    for fault in faults:
        print(fault)
        count += 1
    print(f"{count} fault{'s' if count > 1 else ''}" if count else "no fault")
    return 1 if count else 0
