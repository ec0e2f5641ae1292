"""The DuckDB file: what it looks like, and which files are ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import duckdb

from tocsin.errors import StorageError

FORMAT_VERSION: Final = 1

_SCHEMA: Final = (
    "CREATE TABLE tocsin_store (format_version INTEGER NOT NULL)",
    f"INSERT INTO tocsin_store VALUES ({FORMAT_VERSION})",  # noqa: S608 - a constant
    "CREATE TABLE series (id UINTEGER NOT NULL, labels MAP(VARCHAR, VARCHAR) NOT NULL)",
    # A value that is NULL is a staleness marker: the series has ended. NaN is NaN.
    "CREATE TABLE samples (series_id UINTEGER NOT NULL, timestamp_ms BIGINT NOT NULL, value DOUBLE)",
    "CREATE TABLE metadata (metric VARCHAR PRIMARY KEY, type VARCHAR, help VARCHAR, unit VARCHAR)",
)

# DuckDB checks the sum of a block when it reads it. Files up to this size are read whole before
# they are opened for writing, which takes about 0.1 s; of larger ones only the catalogue is.
_FULL_CHECK_BYTES: Final = 128 << 20

# Every write-ahead log of DuckDB 1.x opens with its version entry. A log that does not is taken
# for an empty one by DuckDB, and its samples would be gone without a word.
_LOG_START: Final = bytes.fromhex("640062")

_HOLDER: Final = re.compile(r"PID (\d+)")


def open_store(path: Path) -> duckdb.DuckDBPyConnection:
    """Open or create a store; raises StorageError and leaves the file as it is when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check(path)
        connection = _connect(path, read_only=False)
    except OSError as error:
        raise StorageError(f"cannot use the data folder {path.parent}: {error.strerror}") from error
    if not _is_ours(connection):
        _create(connection)
    return connection


def _check(path: Path) -> None:
    """Refuse a file that is damaged or not ours before anything is written to it."""
    log = path.with_name(path.name + ".wal")
    if log.exists() and not _LOG_START.startswith(_first_bytes(log)):
        raise StorageError(f"{log} is damaged and was left untouched: it is not a DuckDB write-ahead log")
    with _connect(path, read_only=True) as connection:
        try:
            if not _is_ours(connection) and _tables(connection):
                raise StorageError(
                    f"{path} is a DuckDB file but not a tocsin store; choose another --data folder"
                )
            if path.stat().st_size <= _FULL_CHECK_BYTES:
                _read_everything(connection)
        except duckdb.Error as error:
            raise StorageError(f"{path} is damaged and was left untouched: {_first_line(error)}") from error


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_LOG_START))


def _read_everything(connection: duckdb.DuckDBPyConnection) -> None:
    for table in _tables(connection):
        connection.execute(f'SELECT hash(COLUMNS(*)) FROM "{table}"').fetchnumpy()  # noqa: S608 - our own names


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only)
    except duckdb.Error as error:
        raise StorageError(_reason(path, error)) from error


def _reason(path: Path, error: duckdb.Error) -> str:
    text = str(error)
    if "Could not set lock" in text:
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


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    connection.begin()
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.commit()
