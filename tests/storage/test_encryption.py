from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.support.encryption import (
    KEY,
    LABELS,
    NAMES,
    NUMBERS,
    OFFLINE,
    OTHER,
    count,
    fill,
    found_in,
    insert,
    require_encryption,
)
from tocsin.errors import StorageError
from tocsin.storage import encryption
from tocsin.storage.encryption import connect, copy_options, cursor, prepare, read_options, translate
from tocsin.storage.key import EncryptionKey

ROOT = Path(__file__).resolve().parents[2]
OTHER_KEY = "was encrypted with another key than the one in the file"
WANTED = "SELECT count(*) FROM samples JOIN wanted USING (series_id) WHERE samples.rowid < 300"

needs_encryption = pytest.mark.usefixtures("encryption_is_there")


@pytest.fixture
def encryption_is_there() -> None:
    require_encryption()


@pytest.fixture(params=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> EncryptionKey | None:
    """Everything that holds for a plain store holds for an encrypted one."""
    if request.param == "plain":
        return None
    require_encryption()
    return KEY


def run(path: Path, key: EncryptionKey | None, statement: str) -> subprocess.CompletedProcess[str]:
    """Let another process connect to a file as ``connection``."""
    code = (
        "import os, signal, duckdb; from pathlib import Path\n"
        "from tests.support.encryption import KEY, fill; from tocsin.storage.encryption import connect\n"
        f"try: connection = connect(Path({str(path)!r}), {'KEY' if key else None})\n"
        "except duckdb.Error as error: print(error)\n"
        f"else: {statement}"
    )
    return subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)


# What the store does with a connection


def test_tables_are_found_from_cursors_in_other_threads(tmp_path, key):
    connection = connect(tmp_path / "x.duckdb", key)
    fill(connection)
    results: list[int] = []

    def read() -> None:
        for _ in range(10):
            with cursor(connection, key) as mine:
                mine.register("wanted", {"series_id": np.arange(7, dtype=np.uint32)})
                results.append(mine.execute(WANTED).fetchall()[0][0])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for first in range(300, 600, 10):
        insert(connection, range(first, first + 10))
    for thread in threads:
        thread.join()
    assert results == [7] * 30
    connection.execute("CHECKPOINT")
    connection.close()
    with connect(tmp_path / "x.duckdb", key, read_only=True) as reopened:
        assert count(reopened, "samples") == 600


def test_what_was_committed_survives_a_kill(tmp_path, key):
    path = tmp_path / "x.duckdb"
    ended = run(path, key, "fill(connection); os.kill(os.getpid(), signal.SIGKILL)")
    assert ended.returncode == -signal.SIGKILL
    assert path.with_name("x.duckdb.wal").stat().st_size > 0
    with connect(path, key, read_only=True) as connection:
        assert (count(connection, "samples"), count(connection, "series")) == (300, 300)


def test_a_read_only_connection_writes_nothing(tmp_path, key):
    path = tmp_path / "x.duckdb"
    with connect(path, key) as connection:
        fill(connection)
    before = path.read_bytes()
    with connect(path, key, read_only=True) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("DELETE FROM samples")
    assert path.read_bytes() == before
    with pytest.raises(duckdb.Error, match="does not exist"):
        connect(tmp_path / "none.duckdb", key, read_only=True)


def test_a_store_that_another_process_has_open_is_refused_with_its_number(tmp_path, key):
    with connect(tmp_path / "x.duckdb", key):
        second = run(tmp_path / "x.duckdb", key, "print('open twice')")
    assert "Could not set lock" in second.stdout
    assert f"PID {os.getpid()}" in second.stdout


@needs_encryption
def test_a_quote_in_the_path_is_no_end_of_it(tmp_path):
    folder = tmp_path / "o'clock; DROP"
    folder.mkdir()
    with connect(folder / "x.duckdb", KEY) as connection:
        fill(connection)
    assert found_in(folder / "x.duckdb") == set()


# What is to be found on disk


def test_labels_and_values_are_in_no_file_that_is_encrypted(tmp_path, key):
    """A plain store shows each of them, so that the search is known to find them."""
    path = tmp_path / "x.duckdb"
    connection = connect(path, key)
    fill(connection)
    in_log = found_in(path.with_name("x.duckdb.wal"))
    connection.close()
    assert in_log == (set() if key else {*NAMES, *LABELS, *NUMBERS})
    # Of a table, DuckDB compresses the labels and leaves the names.
    assert found_in(path) - {*LABELS, *NUMBERS} == (set() if key else set(NAMES))
    assert key is None or found_in(path) == set()


def test_what_does_not_fit_into_memory_is_spilled_beside_the_file(tmp_path, key):
    path = tmp_path / "x.duckdb"
    connection = connect(path, key)
    connection.execute("SET memory_limit = '30MB'")
    connection.execute("SET threads = 1")
    connection.execute("CREATE TEMP TABLE t AS SELECT 'needle_metric' || hash(range) FROM range(1000000)")
    files = list(path.with_name("x.duckdb.tmp").iterdir())
    assert sum(file.stat().st_size for file in files) > 1_000_000
    assert found_in(*files) == (set() if key else {LABELS[0]})
    connection.close()
    assert not path.with_name("x.duckdb.tmp").exists()


@needs_encryption
def test_temporary_files_that_a_killed_process_left_keep_no_store_from_opening(tmp_path):
    path = tmp_path / "x.duckdb"
    path.with_name("x.duckdb.tmp").mkdir()
    path.with_name("x.duckdb.tmp").joinpath("duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(bytes(300_000))
    with connect(path, KEY) as connection:
        assert connection.execute("SELECT current_setting('temp_file_encryption')").fetchone() == (True,)


@needs_encryption
def test_the_key_is_in_no_log_and_no_table_of_duckdb(tmp_path):
    with duckdb.connect() as connection:
        connection.execute("CALL enable_logging(level = 'trace')")
        prepare(connection, KEY)
        encryption.attach(connection, tmp_path / "x.duckdb", KEY, "store")
        for table in ("logs", "databases", "settings", "variables"):
            shown = repr(connection.query(f"FROM duckdb_{table}()").project("COLUMNS(*)::VARCHAR").fetchall())
            assert KEY.base64() not in shown
            assert "1f1f1f1f" not in shown
        assert "ENCRYPTION_KEY" in repr(connection.execute("SELECT message FROM duckdb_logs()").fetchall())


@needs_encryption
def test_files_are_in_a_mode_that_notices_changes(tmp_path):
    with connect(tmp_path / "x.duckdb", KEY) as connection:
        (row,) = connection.execute(
            "SELECT encrypted, cipher FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchall()
    assert row == (True, "GCM")


# What is said when key and file do not fit


def sentence(path: Path, key: EncryptionKey | None) -> str | None:
    with pytest.raises(duckdb.Error) as caught:
        connect(path, key)
    return translate(caught.value, path, key)


@needs_encryption
def test_a_key_that_does_not_fit_is_told_in_one_sentence(tmp_path):
    encrypted, plain, ctr = (tmp_path / name for name in ("encrypted", "plain", "ctr"))
    connect(encrypted, KEY).close()
    connect(plain, None).close()
    with duckdb.connect() as connection:
        prepare(connection, KEY)
        connection.execute(f"ATTACH '{ctr}' (ENCRYPTION_KEY '{KEY.base64()}', ENCRYPTION_CIPHER 'CTR')")
    before = {path: path.read_bytes() for path in (encrypted, plain, ctr)}
    assert sentence(encrypted, OTHER) == f"{encrypted} {OTHER_KEY} other, and was left untouched"
    assert sentence(encrypted, None) == (
        f"{encrypted} is encrypted, and storage.encryption does not say where its key is"
    )
    assert sentence(plain, KEY) == (
        f"{plain} is not encrypted, but there is a key for it in the file key (see docs/encryption.md)"
    )
    assert sentence(ctr, KEY) == f"{ctr} was encrypted in another mode than GCM, which alone notices changes"
    assert {path: path.read_bytes() for path in (encrypted, plain, ctr)} == before


@needs_encryption
def test_a_second_connection_of_the_same_process_is_told(tmp_path):
    path = tmp_path / "x.duckdb"
    with connect(path, KEY):
        assert sentence(path, KEY) == f"{path} is open in this process already"


@needs_encryption
@pytest.mark.parametrize("part", [0.01, 0.3, 0.8])
def test_a_changed_block_is_noticed(tmp_path, part):
    path = tmp_path / "x.duckdb"
    with connect(path, KEY) as connection:
        connection.execute("CREATE TABLE t AS SELECT random() AS value FROM range(500000)")
    content = bytearray(path.read_bytes())
    position = int(len(content) * part)
    content[position : position + 6000] = bytes(6000)
    path.write_bytes(content)
    with pytest.raises(duckdb.Error) as caught, connect(path, KEY, read_only=True) as connection:
        connection.execute("SELECT hash(COLUMNS(*)) FROM t").fetchnumpy()
    assert translate(caught.value, path, KEY) == (
        f"{path} is damaged or {OTHER_KEY} key, and was left untouched"
    )


def test_other_errors_are_left_to_others(tmp_path):
    assert translate(duckdb.IOException("IO Error: no space left on device"), tmp_path, KEY) is None


def test_without_the_extension_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(encryption, "_packaged_extension", lambda _version: None)
    settings = OFFLINE | {"extension_directory": str(tmp_path)}
    command = f"there is none for duckdb {duckdb.__version__}; run: pip install 'tocsin[encryption]'"
    with duckdb.connect(config=settings) as connection:
        with pytest.raises(StorageError, match=r"extension httpfs") as caught:
            prepare(connection, KEY)
        assert str(caught.value).endswith(command)
        with pytest.raises(duckdb.Error) as refused:
            encryption.attach(connection, tmp_path / "x.duckdb", KEY, "store")
    assert (translate(refused.value, tmp_path, KEY) or "").endswith(command)
    assert not (tmp_path / "x.duckdb").exists()


@needs_encryption
def test_an_extension_that_is_not_duckdbs_is_not_loaded(tmp_path, monkeypatch):
    with duckdb.connect() as connection:
        (version,) = connection.execute("SELECT library_version FROM pragma_version()").fetchall()[0]
        original = encryption._packaged_extension(version)
        if original is None:
            pytest.skip("the extension is not from a package")
        content = bytearray(original.read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / original.name).write_bytes(content)
        monkeypatch.setattr(encryption, "_packaged_extension", lambda _version: tmp_path / original.name)
        with pytest.raises(StorageError, match=f"^cannot load {tmp_path}/.*signature"):
            prepare(connection, KEY)


def test_a_package_for_another_version_is_not_taken():
    assert encryption._packaged_extension("v0.0.1") is None


# Parquet files


def write_parquet(path: Path, key: EncryptionKey | None) -> None:
    options = f"FORMAT parquet, COMPRESSION zstd{copy_options(key)}"
    with connect(path.with_suffix(".duckdb"), key) as connection:
        fill(connection)
        with cursor(connection, key) as mine:
            mine.execute(f"COPY (FROM samples, series) TO '{path}' ({options})")


def read_parquet(path: Path, key: EncryptionKey | None) -> str:
    with duckdb.connect(config=OFFLINE) as connection:
        if key is not None:
            prepare(connection, key)
        relation = connection.query(f"FROM read_parquet('{path}'{read_options(key)})")
        return repr(
            relation.aggregate("count(*), sum(hash(series_id, timestamp_ms, value, id, labels))").fetchall()
        )


def test_labels_and_names_are_in_no_parquet_file_that_is_encrypted(tmp_path, key):
    path = tmp_path / "x.parquet"
    write_parquet(path, key)
    assert read_parquet(path, key).startswith("[(90000, ")
    assert found_in(path) - set(NUMBERS) == (set() if key else {*NAMES, *LABELS})


@needs_encryption
def test_a_key_that_does_not_fit_a_parquet_file_is_told_in_one_sentence(tmp_path):
    encrypted, plain = tmp_path / "encrypted.parquet", tmp_path / "plain.parquet"
    write_parquet(encrypted, KEY)
    write_parquet(plain, None)

    def told(path: Path, key: EncryptionKey | None) -> str | None:
        with pytest.raises(duckdb.Error) as caught:
            read_parquet(path, key)
        return translate(caught.value, tmp_path, key)

    assert told(encrypted, OTHER) == (f"{tmp_path} is damaged or {OTHER_KEY} other, and was left untouched")
    assert (
        told(encrypted, None)
        == f"{encrypted} is encrypted, and storage.encryption does not say where its key is"
    )
    assert told(plain, KEY) == (
        f"{plain} is not encrypted, but there is a key for it in the file key (see docs/encryption.md)"
    )


@needs_encryption
@pytest.mark.parametrize("part", [0.001, 0.5, 0.999])
def test_a_changed_bit_of_a_parquet_file_is_noticed(tmp_path, part):
    path = tmp_path / "x.parquet"
    write_parquet(path, KEY)
    content = bytearray(path.read_bytes())
    content[int(len(content) * part)] ^= 1
    path.write_bytes(content)
    with pytest.raises(duckdb.Error):
        read_parquet(path, KEY)
