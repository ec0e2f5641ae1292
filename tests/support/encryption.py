"""Keys, a small store to encrypt, and whether DuckDB can do that here."""

from __future__ import annotations

import os
import struct
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tocsin.errors import StorageError
from tocsin.storage.encryption import prepare
from tocsin.storage.key import parse_key

KEY = parse_key("1f" * 32, "the file key")
OTHER = parse_key("2e" * 32, "the file other")

TIME_MS = 1_700_000_000_123
VALUE = 1234.56789
NAMES = (b"timestamp_ms", b"series_id")
LABELS = (b"needle_metric", b"haystack")
NUMBERS = (struct.pack("<q", TIME_MS), struct.pack("<d", VALUE))

OFFLINE = {"autoinstall_known_extensions": False}


def require_encryption() -> None:
    """Skip the test where DuckDB cannot encrypt, or fail it when TOCSIN_REQUIRE_PEERS=1."""
    reason = _reason()
    if reason and os.environ.get("TOCSIN_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@cache
def _reason() -> str:
    with duckdb.connect(config=OFFLINE) as connection:
        try:
            prepare(connection, KEY)
        except StorageError as error:
            return str(error)
    return ""


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Make two tables with 300 rows each."""
    connection.execute("CREATE TABLE series (id UINTEGER NOT NULL, labels VARCHAR)")
    connection.execute(
        "CREATE TABLE samples (series_id UINTEGER NOT NULL, timestamp_ms BIGINT, value DOUBLE)"
    )
    connection.execute("INSERT INTO series SELECT range, 'needle_metric:haystack' || range FROM range(300)")
    insert(connection, range(300))


def insert(connection: duckdb.DuckDBPyConnection, ids: range) -> None:
    """Commit one sample of each series, as the store does."""
    arrays = {
        "series_id": np.array(ids, np.uint32),
        "timestamp_ms": np.full(len(ids), TIME_MS),
        "value": np.full(len(ids), VALUE),
    }
    connection.register("arriving", arrays)
    connection.begin()
    connection.execute("INSERT INTO samples SELECT series_id, timestamp_ms, value FROM arriving")
    connection.commit()
    connection.unregister("arriving")


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return len(connection.table(table).fetchall())


def found_in(*files: Path) -> set[bytes]:
    """Which of the names, labels and numbers are to be read in files."""
    return {needle for file in files for needle in NAMES + LABELS + NUMBERS if needle in file.read_bytes()}
