"""Every damage of a backup is found, in the file and in its blocks."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.storage.test_tiers import grown
from tocsin.errors import StorageError
from tocsin.storage.snapshot import MANIFEST_NAME, read_manifest
from tocsin.storage.sums import SUMS_FILE, all_sum_faults, sum_faults, write_sums
from tocsin.storage.verification import verify


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("original")

    async def make() -> None:
        store, _, _ = await grown(folder / "data", 7, hours=8)
        await store.snapshot(folder / "backup")
        await store.close()

    asyncio.run(make())
    return folder / "backup"


@pytest.fixture
def backup(original, tmp_path) -> Path:
    shutil.copytree(original, tmp_path / "backup")
    return tmp_path / "backup"


def faults(folder: Path) -> list[str]:
    return [fault for part in verify(folder, None) for fault in part.faults]


def test_a_backup_has_no_fault_and_all_its_blocks_are_looked_at(backup):
    names = {part.name for part in verify(backup, None)}
    assert names == {"tocsin.duckdb", *(block.name for block in (backup / "blocks").iterdir())}
    assert len(names) > 3
    assert faults(backup) == []


def test_each_wrong_bit_of_the_file_is_found_once(backup):
    file = backup / "tocsin.duckdb"
    content = file.read_bytes()
    chance = random.Random()
    for _ in range(40):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        (fault,) = faults(backup)
        assert fault == f"{file} is damaged: its SHA-256 is another than in {SUMS_FILE}"


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_a_file_that_is_no_store_is_told_though_its_sum_is_right(backup, content):
    file = backup / "tocsin.duckdb"
    file.unlink()
    if content is None:
        duckdb.connect(str(file)).close()
    else:
        file.write_bytes(content)
    write_sums(backup)
    (fault,) = faults(backup)
    assert str(file) in fault


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("FROM rows ORDER BY hash(series_id, timestamp)", "rows that stand before or at the row above"),
        ("FROM rows UNION ALL (FROM rows LIMIT 1) ORDER BY 1, 2", "has {more} rows, and should have {rows}"),
        ("FROM rows OFFSET 1", "has {less} rows, and should have {rows}"),
        ("SELECT * REPLACE (timestamp - INTERVAL 1 DAY AS timestamp) FROM rows", "outside of the time"),
    ],
)
def test_rows_that_are_not_those_of_the_catalogue_are_told_though_sums_are_right(backup, change, sentence):
    block = min((backup / "blocks").glob("raw-*"))
    file, other = block / "rows-000.parquet", block / "other"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW rows AS FROM '{file}'")
        (rows,) = connection.execute("SELECT count(*) FROM rows").fetchone()
        connection.execute(f"COPY ({change}) TO '{other}' (FORMAT parquet)")
    other.rename(file)
    write_sums(block)
    found = faults(backup)
    assert sentence.format(rows=rows, more=rows + 1, less=rows - 1) in "\n".join(found)
    assert all(str(block) in fault for fault in found)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "cannot be read"),
        ("null", "does not hold what tocsin writes"),
        ("{}", "does not hold what tocsin writes"),
        ({"format_version": "2"}, "does not hold what tocsin writes"),
        ({"more": 1}, "does not hold what tocsin writes"),
        ({"format_version": 99}, "was made by a later tocsin: its format is 99"),
    ],
)
def test_a_manifest_of_something_else_is_one_sentence(backup, content, sentence):
    file = backup / MANIFEST_NAME
    if isinstance(content, dict):
        content = json.dumps({**json.loads(file.read_text()), **content})
    file.write_text(content)
    with pytest.raises(StorageError, match=sentence):
        read_manifest(backup)


def test_sums_are_those_that_sha256sum_reads(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "empty").write_bytes(b"")
    write_sums(tmp_path)
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (tmp_path / SUMS_FILE).read_text() == f"{digest}  empty\n"
    assert list(all_sum_faults(tmp_path)) == []
    (faulty,) = sum_faults(tmp_path, ["other"])
    assert faulty == f"{tmp_path / 'other'} cannot be read: No such file or directory"
    (tmp_path / "empty").write_bytes(b"x")
    (faulty,) = all_sum_faults(tmp_path)
    assert faulty.startswith(f"{tmp_path / 'empty'} is damaged")


def test_a_name_in_damaged_sums_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_bytes(b"")
    (tmp_path / "inside" / SUMS_FILE).write_text("00  ../secret\n")
    (fault,) = sum_faults(tmp_path / "inside")
    assert fault == f"{tmp_path / 'inside' / 'secret'} cannot be read: No such file or directory"
