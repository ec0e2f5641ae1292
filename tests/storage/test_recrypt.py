from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.storage.test_tiers import SETTINGS, grown
from tests.support.clock import ManualClock
from tests.support.encryption import KEY, OTHER, count, fill, found_in, insert, require_encryption
from tests.support.stores import Samples, samples_of
from tocsin.errors import StorageError
from tocsin.storage import DuckDBStorage
from tocsin.storage.blocks import BlockFolder
from tocsin.storage.encryption import connect
from tocsin.storage.file import FILE_NAME
from tocsin.storage.key import EncryptionKey
from tocsin.storage.recrypt import exchange_store, recrypt


@pytest.fixture(autouse=True)
def encryption_is_there() -> None:
    require_encryption()


def content(path: Path, key: EncryptionKey | None) -> list[object]:
    """Rows in their order, and what the tables are."""
    with connect(path, key, read_only=True) as connection:
        samples = connection.execute("SELECT rowid, * FROM samples ORDER BY rowid").fetchall()
        tables = connection.execute("SELECT sql FROM duckdb_tables() ORDER BY sql").fetchall()
        return [samples, connection.execute("FROM series").fetchall(), tables]


def write(path: Path, key: EncryptionKey | None) -> None:
    with connect(path, key) as connection:
        fill(connection)
        for first in (700, 20, 400):
            insert(connection, range(first, first + 100))


def test_a_file_is_the_same_after_each_change_of_key(tmp_path):
    files = [tmp_path / f"{number}.duckdb" for number in range(4)]
    keys = [None, KEY, OTHER, None]
    write(files[0], None)
    for number in range(3):
        recrypt(files[number], keys[number], files[number + 1], keys[number + 1])
    contents = [content(file, key) for file, key in zip(files, keys, strict=True)]
    assert contents == [contents[0]] * 4
    assert [bool(found_in(file)) for file in files] == [True, False, False, True]
    assert sorted(tmp_path.iterdir()) == files


def test_what_is_only_in_the_log_yet_is_copied_too(tmp_path):
    with connect(tmp_path / "held.duckdb", None) as connection:
        fill(connection)
        for name in ("duckdb", "duckdb.wal"):
            (tmp_path / f"killed.{name}").write_bytes((tmp_path / f"held.{name}").read_bytes())
    recrypt(tmp_path / "killed.duckdb", None, tmp_path / "new.duckdb", KEY)
    with connect(tmp_path / "new.duckdb", KEY) as connection:
        assert count(connection, "samples") == 300
    assert (tmp_path / "killed.duckdb.wal").exists()


def test_remains_of_a_copy_that_was_cut_off_do_no_harm(tmp_path):
    write(tmp_path / "a", None)
    (tmp_path / "b.part").write_bytes(b"half")
    recrypt(tmp_path / "a", None, tmp_path / "b", KEY)
    assert content(tmp_path / "b", KEY) == content(tmp_path / "a", None)
    assert not (tmp_path / "b.part").exists()


def test_a_copy_that_is_not_possible_leaves_nothing(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    with pytest.raises(StorageError, match=f"^{source} does not exist"):
        recrypt(source, KEY, target, None)
    write(source, KEY)
    for key, sentence in (
        (
            OTHER,
            f"^cannot copy {source}: {source} was encrypted with another key than the one in the file other",
        ),
        (None, f"^cannot copy {source}: {source} is encrypted, and storage.encryption does not say"),
    ):
        with pytest.raises(StorageError, match=sentence):
            recrypt(source, key, target, None)
    assert list(tmp_path.iterdir()) == [source]
    with pytest.raises(StorageError, match=r"none/b.part.*: No such file"):
        recrypt(source, KEY, tmp_path / "none" / "b", None)


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    write(tmp_path / "a", None)
    duckdb.connect(str(tmp_path / "b")).close()
    before = (tmp_path / "b").read_bytes()
    with pytest.raises(StorageError, match="exists already and was left untouched"):
        recrypt(tmp_path / "a", None, tmp_path / "b", KEY)
    assert (tmp_path / "b").read_bytes() == before


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> tuple[Path, ManualClock]:
    folder = tmp_path_factory.mktemp("stored") / "data"

    async def make() -> ManualClock:
        store, _, clock = await grown(folder, 3, hours=8)
        await store.close()
        return clock

    return folder, asyncio.run(make())


def samples(folder: Path, clock: ManualClock, key: EncryptionKey | None) -> Samples:
    async def read() -> Samples:
        store = DuckDBStorage(folder, SETTINGS, clock, key)
        try:
            return samples_of(store.select([], 0, clock.now_ms()))
        finally:
            await store.close()

    return asyncio.run(read())


class Death(BaseException):
    """What ends the process in the middle."""


def change_key(folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> int:
    """Encrypt a store, but die after some changes of names; returns how many there were."""
    count = 0

    def counted(function):
        def call(*arguments, **options):
            nonlocal count
            if count == steps:
                raise Death
            count += 1
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "rename"), (Path, "replace"), (os, "link"), (BlockFolder, "remove")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        exchange_store(folder, None, KEY, folder / "replaced")
    return count


def test_wherever_a_change_of_key_dies_there_is_the_whole_store_with_one_of_the_keys(
    stored, tmp_path, monkeypatch
):
    original, clock = stored
    expected = samples(original, clock, None)
    shutil.copytree(original, tmp_path / "whole")
    total = change_key(tmp_path / "whole", monkeypatch, -1)
    assert samples(tmp_path / "whole", clock, KEY) == expected
    assert samples(tmp_path / "whole" / "replaced", clock, None) == expected
    assert not (tmp_path / "whole" / "recrypting").exists()
    outcomes = []
    for steps in (0, total // 3, 2 * total // 3, total - 3, total - 2, total - 1):
        data = tmp_path / str(steps)
        shutil.copytree(original, data)
        with pytest.raises(Death):
            change_key(data, monkeypatch, steps)
        is_encrypted = not opens_plain(data)
        outcomes.append(is_encrypted)
        assert samples(data, clock, KEY if is_encrypted else None) == expected
        blocks = {block.name for block in (data / "blocks").iterdir()}
        assert len(blocks) == len(list((original / "blocks").iterdir())), "what is not known is cleared away"
    assert outcomes == [False] * 5 + [True]


def opens_plain(folder: Path) -> bool:
    """Whether a store opens without a key."""
    try:
        connect(folder / FILE_NAME, None, read_only=True).close()
    except duckdb.Error:
        return False
    return True
