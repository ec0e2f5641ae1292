"""The DuckDB file: what it looks like, and which files are ours."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import duckdb

from tocsin.errors import StorageError
from tocsin.storage import encryption
from tocsin.storage.key import EncryptionKey
from tocsin.storage.statements import SCHEMA

FILE_NAME: Final = "tocsin.duckdb"

FORMAT_VERSION: Final = 2
"""Version 1 had no blocks and no summaries; it becomes version 2 when it is opened."""

# DuckDB checks the sum of a block when it reads it. Files up to this size are read whole before
# they are opened for writing, which takes about 0.1 s; of larger ones only the catalogue is.
_FULL_CHECK_BYTES: Final = 128 << 20

# Every write-ahead log of DuckDB 1.x opens with its version entry. A log that does not is taken
# for an empty one by DuckDB, and its samples would be gone without a word.
_LOG_START: Final = bytes.fromhex("640062")

_IN_USE: Final = "Could not set lock"
_HOLDER: Final = re.compile(r"PID (\d+)")


def open_store(path: Path, key: EncryptionKey | None = None) -> duckdb.DuckDBPyConnection:
    """Open or create a store, which is encrypted if there is a key.

    Raises StorageError and leaves the file as it is when that is not possible.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check(path, key)
        connection = _connect(path, key, read_only=False)
    except OSError as error:
        raise StorageError(f"cannot use the data folder {path.parent}: {error.strerror}") from error
    _bring_up_to_date(connection, path)
    return connection


def check_file(path: Path, key: EncryptionKey | None) -> None:
    """Read a store's file in whole, whatever its size; raises StorageError when it is damaged or not ours."""
    _check(path, key, full_bytes=sys.maxsize)


def refuse_if_used(path: Path) -> None:
    """Raise StorageError when a process has a store open for writing, whatever else may be wrong with it."""
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error as error:
        # The lock is taken before anything is read, so that a damaged or encrypted file tells as well.
        if _IN_USE in str(error):
            raise StorageError(_reason(path, error)) from error


def _check(path: Path, key: EncryptionKey | None, *, full_bytes: int = _FULL_CHECK_BYTES) -> None:
    """Refuse a file that is damaged or not ours before anything is written to it."""
    log = path.with_name(path.name + ".wal")
    if log.exists() and not _LOG_START.startswith(_first_bytes(log)):
        raise StorageError(f"{log} is damaged and was left untouched: it is not a DuckDB write-ahead log")
    with _connect(path, key, read_only=True) as connection:
        try:
            if not _is_ours(connection) and _tables(connection):
                raise StorageError(
                    f"{path} is a DuckDB file but not a tocsin store; choose another --data folder"
                )
            if path.stat().st_size <= full_bytes:
                _read_everything(connection)
        except duckdb.Error as error:
            raise StorageError(f"{path} is damaged and was left untouched: {_first_line(error)}") from error


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_LOG_START))


def _read_everything(connection: duckdb.DuckDBPyConnection) -> None:
    for table in _tables(connection):
        connection.execute(f'SELECT hash(COLUMNS(*)) FROM "{table}"').fetchnumpy()  # noqa: S608 - our own names


def _connect(path: Path, key: EncryptionKey | None, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return encryption.connect(path, key, read_only=read_only)
    except duckdb.Error as error:
        raise StorageError(encryption.translate(error, path, key) or _reason(path, error)) from error


def _reason(path: Path, error: duckdb.Error) -> str:
    text = str(error)
    if _IN_USE in text:
        holder = _HOLDER.search(text)
        who = f"process {holder[1]}" if holder else "another process"
        return f"{path} is in use by {who}; stop it or choose another --data folder"
    if "Permission denied" in text:
        return f"cannot write {path}: permission denied"
    if "not a valid DuckDB database file" in text:
        return f"{path} is not a tocsin store and was left untouched; choose another --data folder"
    return f"{path} is damaged and was left untouched: {_first_line(error)}"


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]


def _is_ours(connection: duckdb.DuckDBPyConnection) -> bool:
    return "tocsin_store" in _tables(connection)


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the tables that are not there yet."""
    if not _is_ours(connection):
        version = 0
        connection.execute("CREATE TABLE tocsin_store (format_version INTEGER NOT NULL)")
    else:
        (version,) = connection.execute("SELECT format_version FROM tocsin_store").fetchone() or (0,)
    if version > FORMAT_VERSION:
        connection.close()
        raise StorageError(
            f"{path} has the format {version} of a later tocsin, this one knows up to {FORMAT_VERSION}; "
            "install a later one or choose another --data folder"
        )
    if version < FORMAT_VERSION:
        connection.begin()
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute("DELETE FROM tocsin_store")
        connection.execute("INSERT INTO tocsin_store VALUES (?)", [FORMAT_VERSION])
        connection.commit()
