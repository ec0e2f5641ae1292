"""``tocsin storage key`` and ``recrypt``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tocsin.commands.up import default_data_dir
from tocsin.errors import StorageError, UsageError
from tocsin.storage.file import FILE_NAME, open_store
from tocsin.storage.key import generate_key, key_from_file
from tocsin.storage.recrypt import exchange_store


def key() -> int:
    """Print a new key for storage.encryption."""
    print(generate_key())
    return 0


def recrypt(
    from_key: Annotated[Path | None, typer.Option(help="File with the key that the store has.")] = None,
    to_key: Annotated[Path | None, typer.Option(help="File with the key that it is to have.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of a tocsin that is stopped.")] = None,
) -> int:
    """Encrypt a store, decrypt it, or give it another key; what was there remains beside it."""
    if from_key is None and to_key is None:
        raise UsageError("neither --from-key nor --to-key is given, so there is nothing to do")
    folder = data or default_data_dir()
    if not (folder / FILE_NAME).exists():
        raise StorageError(f"{folder} has no {FILE_NAME}")
    old = key_from_file(from_key) if from_key else None
    new = key_from_file(to_key) if to_key else None
    # Refuses a store that is in use, and brings what is in its log into the file.
    open_store(folder / FILE_NAME, old).close()
    aside = folder / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    exchange_store(folder, old, new, aside)
    print(
        f"{folder / FILE_NAME} is {'encrypted' if new else 'plain'} now; delete {aside} when it is of no use"
    )
    return 0
