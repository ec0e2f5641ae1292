"""Write a store anew: encrypted, decrypted, or with another key."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Final

import duckdb

from tocsin.errors import StorageError
from tocsin.storage import encryption
from tocsin.storage.blocks import FOLDER_NAME, BlockFolder, next_generation, renamed, sync
from tocsin.storage.catalogue import exchange_blocks, read_blocks
from tocsin.storage.encryption import attach, prepare, translate
from tocsin.storage.file import FILE_NAME
from tocsin.storage.key import EncryptionKey
from tocsin.storage.snapshot import link_file, link_folder

_MEMORY_LIMIT: Final = "512MB"
_SOURCE_KEY_NAME: Final = "source"
_MADE_NAME: Final = "recrypting"


def recrypt(source: Path, source_key: EncryptionKey | None, target: Path, key: EncryptionKey | None) -> None:
    """Copy a database file, with all rows in their order, to a new one with another key or none.

    The new file appears under its name only when it is complete. Raises StorageError; the source is
    never written to.
    """
    if not source.exists():
        raise StorageError(f"{source} does not exist")
    if target.exists():
        raise StorageError(f"{target} exists already and was left untouched")
    part = target.with_name(f"{target.name}.part")
    try:
        # What a copy that was cut off has left.
        _remove(part)
        _copy(source, source_key, part, key)
        part.rename(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            _remove(part)


def recrypt_store(
    source: Path, source_key: EncryptionKey | None, target: Path, key: EncryptionKey | None
) -> list[str]:
    """Copy the file and the blocks of a folder that nobody uses to a new folder, with another key or none.

    The blocks have new names, so that they can stand beside the old ones, whose names it returns. Raises
    StorageError; the target is then not complete.
    """
    target.mkdir(parents=True)
    recrypt(source / FILE_NAME, source_key, target / FILE_NAME, key)
    path = target / FILE_NAME
    old = BlockFolder(source / FOLDER_NAME, source_key, _SOURCE_KEY_NAME)
    new = BlockFolder(target / FOLDER_NAME, key)
    try:
        with encryption.connect(path, key) as connection:
            if source_key is not None:
                prepare(connection, source_key, _SOURCE_KEY_NAME)
            blocks = read_blocks(connection)
            first = next_generation(blocks)
            written = [
                new.copy(connection, old, block, renamed(block, number))
                for number, block in enumerate(blocks, first)
            ]
            connection.begin()
            exchange_blocks(connection, blocks, written)
            connection.commit()
            connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        reason = translate(error, old.path, source_key) or str(error).splitlines()[0]
        raise StorageError(f"cannot copy {old.path}: {reason}") from error
    except OSError as error:
        raise StorageError(f"cannot write {new.path}: {error.strerror}") from error
    return [block.name for block in blocks]


def exchange_store(
    folder: Path, source_key: EncryptionKey | None, key: EncryptionKey | None, aside: Path
) -> None:
    """Give the store of a folder another key or none, and keep what was there in another folder.

    Nobody may use it, and there is no write-ahead log. Whenever the process dies, the store is there, with
    the one key or with the other: blocks that it does not know are cleared away when it is opened. Raises
    StorageError.
    """
    made = folder / _MADE_NAME
    try:
        shutil.rmtree(made, ignore_errors=True)
        replaced = recrypt_store(folder, source_key, made, key)
        (aside / FOLDER_NAME).mkdir(parents=True)
        link_file(folder / FILE_NAME, aside / FILE_NAME)
        for name in replaced:
            link_folder(folder / FOLDER_NAME / name, aside / FOLDER_NAME / name)
        (folder / FOLDER_NAME).mkdir(exist_ok=True)
        for block in (made / FOLDER_NAME).glob("*"):
            block.rename(folder / FOLDER_NAME / block.name)
        sync(folder / FOLDER_NAME)
        # From here on it has the other key.
        (made / FILE_NAME).replace(folder / FILE_NAME)
        sync(folder)
        BlockFolder(folder / FOLDER_NAME).remove(replaced)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _remove(file: Path) -> None:
    for path in (file, file.with_name(f"{file.name}.wal")):
        path.unlink(missing_ok=True)


def _copy(source: Path, source_key: EncryptionKey | None, target: Path, key: EncryptionKey | None) -> None:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY_LIMIT,
        "temp_directory": f"{target}.tmp",
        "temp_file_encryption": bool(source_key or key),
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        for each in (source_key, key):
            if each is not None:
                prepare(connection, each)
        try:
            attach(connection, source, source_key, "source", read_only=True)
            attach(connection, target, key, "target")
            connection.execute("COPY FROM DATABASE source TO target")
            connection.execute("CHECKPOINT target")
        except duckdb.Error as error:
            reason = translate(error, source, source_key) or str(error).splitlines()[0]
            raise StorageError(f"cannot copy {source}: {reason}") from error
