"""The verbs of ``tocsin storage``, on stores with blocks and on a process that is written to meanwhile."""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from pathlib import Path

import duckdb
import pytest

from tests.server.test_kill import Sender
from tests.storage.test_tiers import HOURS, SETTINGS, grown
from tests.support.clock import ManualClock
from tests.support.encryption import require_encryption
from tests.support.process import running_tocsin
from tests.support.stores import samples_of
from tocsin.commands import copying, storage_source
from tocsin.commands.app import run
from tocsin.storage import DuckDBStorage
from tocsin.storage.key import key_from_file


@pytest.fixture(autouse=True)
def _no_server(monkeypatch, tmp_path):
    """Commands find no tocsin of whoever runs the tests."""
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("TOCSIN_URL", "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> tuple[Path, ManualClock]:
    data = tmp_path_factory.mktemp("original") / "data"

    async def make() -> ManualClock:
        store, _, clock = await grown(data, 5, hours=HOURS)
        await store.close()
        return clock

    return data, asyncio.run(make())


@pytest.fixture
def store(original, tmp_path) -> tuple[Path, ManualClock]:
    """A folder with a store that nobody uses, and the time when it was closed."""
    data, clock = original
    shutil.copytree(data, tmp_path / "data")
    return tmp_path / "data", clock


@pytest.fixture
def key_file(tmp_path, capsys) -> Path:
    require_encryption()
    assert run(["storage", "key"]) == 0
    file = tmp_path / "key"
    file.write_text(capsys.readouterr().out)
    file.chmod(0o600)
    return file


@pytest.fixture
def config(tmp_path, key_file) -> Path:
    """A configuration that names the key."""
    file = tmp_path / "tocsin.yml"
    file.write_text(f"storage: {{encryption: {{key_file: {key_file}}}}}")
    return file


def flip(file: Path, position: int | None = None) -> None:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2 if position is None else position] ^= 1
    file.write_bytes(content)


def content(folder: Path, clock: ManualClock, key_file: Path | None = None) -> tuple:
    """All samples, and the rows of all tiers."""

    async def read() -> tuple:
        key = key_from_file(key_file) if key_file else None
        store = DuckDBStorage(folder, SETTINGS, clock, key)
        rows = [(tier.tier.name, tier.rows) for tier in store.usage().tiers]
        samples = samples_of(store.select([], 0, clock.now_ms()))
        await store.close()
        return samples, rows

    return asyncio.run(read())


def test_a_backup_is_restored_to_the_same_store(store, tmp_path, capsys):
    data, clock = store
    before = content(data, clock)
    assert run(["storage", "backup", str(tmp_path / "copy"), "--data", str(data)]) == 0
    assert not list(data.glob("snapshots/*"))
    assert run(["storage", "verify", str(tmp_path / "copy")]) == 0
    assert run(["storage", "restore", str(tmp_path / "copy"), "--data", str(tmp_path / "new")]) == 0
    assert content(tmp_path / "new", clock) == before
    assert "no fault" in capsys.readouterr().out


def test_a_store_is_replaced_only_when_that_is_said(store, tmp_path, capsys):
    data, clock = store
    before = content(data, clock)
    run(["storage", "backup", str(tmp_path / "copy"), "--data", str(data)])
    assert run(["storage", "backup", str(tmp_path / "copy"), "--data", str(data)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert run(["storage", "restore", str(tmp_path / "copy"), "--data", str(data)]) == 2
    assert "has a store already" in capsys.readouterr().err
    assert run(["storage", "restore", str(tmp_path / "copy"), "--data", str(data), "--replace"]) == 0
    assert content(data, clock) == before
    (aside,) = data.glob("replaced-*")
    assert (aside / "tocsin.duckdb").exists()


def test_what_is_damaged_or_whose_key_is_lost_is_replaced(store, tmp_path, key_file):
    data, clock = store
    before = content(data, clock)
    run(["storage", "backup", str(tmp_path / "copy"), "--data", str(data)])
    (data / "tocsin.duckdb").write_bytes(b"gone")
    assert run(["storage", "restore", str(tmp_path / "copy"), "--data", str(data), "--replace"]) == 0
    assert content(data, clock) == before
    shutil.rmtree(min(data.glob("replaced-*")))
    assert run(["storage", "recrypt", "--to-key", str(key_file), "--data", str(data)]) == 0
    key_file.unlink()
    shutil.rmtree(min(data.glob("replaced-*")))
    assert run(["storage", "restore", str(tmp_path / "copy"), "--data", str(data), "--replace"]) == 0
    assert content(data, clock) == before


def test_a_backup_needs_the_key_that_it_was_made_with(store, tmp_path, key_file, config, capsys):
    data, clock = store
    before = content(data, clock)
    plain, copy, new = tmp_path / "plain", tmp_path / "copy", tmp_path / "new"
    run(["storage", "backup", str(plain), "--data", str(data)])
    run(["storage", "recrypt", "--to-key", str(key_file), "--data", str(data)])
    assert run(["storage", "backup", str(copy), "--data", str(data), "--config", str(config)]) == 0
    for verb in (["verify", str(copy)], ["restore", str(copy), "--data", str(new)]):
        assert run(["storage", *verb]) == 2
        assert f"{copy} is encrypted; say by --config" in capsys.readouterr().err
    assert run(["storage", "verify", str(plain), "--config", str(config)]) == 2
    assert f"{plain} is not encrypted" in capsys.readouterr().err
    assert run(["storage", "verify", str(copy), "--config", str(config)]) == 0
    assert run(["storage", "restore", str(copy), "--data", str(new), "--config", str(config)]) == 0
    assert content(new, clock, key_file) == before


def test_a_copy_that_does_not_succeed_leaves_no_half_of_it(store, tmp_path, monkeypatch, capsys):
    data, _ = store
    copied = []

    def copy_file(source, target):
        copied.append(source)
        target.write_bytes(b"half")
        if len(copied) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        yield 4

    monkeypatch.setattr(copying, "_copy_file", copy_file)
    assert run(["storage", "backup", str(tmp_path / "copy"), "--data", str(data)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    copied.clear()
    monkeypatch.setattr(copying, "_copy_file", lambda _, target: iter([target.write_bytes(b"wrong")]))
    assert run(["storage", "backup", str(tmp_path / "copy"), "--data", str(data)]) == 2
    assert "the backup was given up: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copy")] == []


@pytest.mark.parametrize("name", ["rows-000.parquet", "series.parquet", "SHA256SUMS"])
def test_one_wrong_bit_of_a_block_is_told_and_not_restored(store, tmp_path, capsys, name):
    data, _ = store
    copy = tmp_path / "copy"
    run(["storage", "backup", str(copy), "--data", str(data)])
    flip(min(copy.glob(f"blocks/*/{name}")))
    assert run(["storage", "verify", str(copy)]) == 1
    assert "is damaged" in capsys.readouterr().out
    assert run(["storage", "restore", str(copy), "--data", str(tmp_path / "new")]) == 2
    assert "was not restored" in capsys.readouterr().err
    assert not (tmp_path / "new" / "tocsin.duckdb").exists()


def test_a_block_that_is_missing_and_a_folder_that_is_no_backup_are_told(store, tmp_path, capsys):
    data, _ = store
    copy = tmp_path / "copy"
    run(["storage", "backup", str(copy), "--data", str(data)])
    min(copy.glob("blocks/*/rows-000.parquet")).unlink()
    assert run(["storage", "verify", str(copy)]) == 1
    assert "cannot be read" in capsys.readouterr().out
    assert run(["storage", "verify", str(tmp_path)]) == 2
    assert "is no backup of tocsin" in capsys.readouterr().err
    assert run(["storage", "verify", "--data", str(tmp_path)]) == 2
    assert "has no tocsin.duckdb" in capsys.readouterr().err


def test_samples_are_exported_with_their_labels(store, tmp_path, capsys):
    data, clock = store
    target = tmp_path / "x.parquet"
    arguments = ["--parquet", str(target), "--match", 'x{kind="counter"}', "--data", str(data)]
    end_s = clock.now_ms() / 1000
    assert run(["storage", "export", *arguments, "--end", str(end_s)]) == 0
    found = duckdb.read_parquet(str(target)).order("timestamp")
    rows = found.select("metric, labels['kind'], epoch_ms(timestamp), value").fetchall()
    samples, _ = content(data, clock)
    (expected,) = [found for labels, found in samples.items() if labels.get("kind") == "counter"]
    assert [row[2] for row in rows] == sorted(expected)
    assert {row[:2] for row in rows} == {("x", "counter")}
    assert run(["storage", "export", *arguments]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (
        run(["storage", "export", "--parquet", str(tmp_path / "y"), "--match", "{", "--data", str(data)]) == 2
    )
    assert "is no selector" in capsys.readouterr().err


def test_labels_are_exported_as_columns_and_metrics_as_folders(store, tmp_path):
    data, _ = store
    arguments = ["--data", str(data), "--end", "2000000000"]
    assert run(["storage", "export", "--parquet", str(tmp_path / "x.parquet"), "--columns", *arguments]) == 0
    columns = duckdb.read_parquet(str(tmp_path / "x.parquet"))
    assert columns.columns == ["metric", "kind", "timestamp", "value"]
    assert run(["storage", "export", "--parquet", f"{tmp_path / 'folder'}/", *arguments]) == 0
    folder = duckdb.read_parquet(str(tmp_path / "folder" / "metric=x" / "*.parquet"), hive_partitioning=True)
    rows = folder.select("metric, labels['kind'], timestamp, value").fetchall()
    assert sorted(map(str, rows)) == sorted(map(str, columns.fetchall()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--parquet", "x", "--resolution", "7m"], "no summaries of 7m (--resolution may be raw, 5m, 1h)"),
        (["--parquet", "none/x"], 'Cannot open file "none/x.part": No such file'),
        (["--parquet", "x", "--start", "2000000000"], '--start "2000000000" is after --end "now"'),
        (["--parquet", "x", "--url", "http://127.0.0.1:9"], "give one of them"),
    ],
)
def test_an_export_that_is_not_possible_is_one_sentence(
    store, tmp_path, monkeypatch, capsys, options, sentence
):
    data, _ = store
    monkeypatch.chdir(tmp_path)
    assert run(["storage", "export", *options, "--data", str(data)]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("x*"))


def test_summaries_are_exported_with_their_fields(store, tmp_path):
    data, _ = store
    target = tmp_path / "x.parquet"
    arguments = ["--parquet", str(target), "--resolution", "1h", "--data", str(data), "--end", "2000000000"]
    assert run(["storage", "export", *arguments]) == 0
    found = duckdb.read_parquet(str(target))
    columns = found.columns
    assert columns[:3] == ["metric", "labels", "timestamp"]
    assert {"count", "sum", "min", "max", "first", "last", "increase", "last_timestamp"} <= set(columns)
    counts = found.filter("labels['kind'] = 'gauge'").order("timestamp").select("count").fetchall()
    assert counts[1] == (120.0,), "a sample each half minute"


def test_a_store_is_encrypted_and_decrypted(store, key_file, config, capsys):
    data, clock = store
    before = content(data, clock)
    assert run(["storage", "recrypt", "--to-key", str(key_file), "--data", str(data)]) == 0
    assert all(file.read_bytes()[:4] == b"PARE" for file in data.glob("blocks/*/*.parquet"))
    assert content(data, clock, key_file) == before
    assert run(["storage", "verify", "--data", str(data), "--config", str(config)]) == 0
    assert run(["storage", "verify", "--data", str(data)]) == 2
    assert "is encrypted" in capsys.readouterr().err
    assert run(["storage", "recrypt", "--from-key", str(key_file), "--data", str(data)]) == 0
    assert content(data, clock) == before
    assert run(["storage", "recrypt", "--data", str(data)]) == 2


def test_a_backup_of_a_running_tocsin_has_all_that_was_acknowledged_before_it(tmp_path, capsys):
    copy, new = tmp_path / "copy", tmp_path / "second"
    (tmp_path / "first").mkdir()
    new.mkdir()
    with running_tocsin(tmp_path / "first") as tocsin:
        with Sender(tocsin.url, 0) as sender:
            sender.wait_for_the_first()
            time.sleep(0.5)
            acknowledged = list(sender.acknowledged)
            assert run(["storage", "backup", str(copy), "--url", tocsin.url]) == 0
            assert run(["storage", "verify", "--url", tocsin.url]) == 0
            assert run(["storage", "compact", "--url", tocsin.url]) == 0
        assert not list(tocsin.data.glob("snapshots/*"))
        tocsin.kill()
    assert run(["storage", "restore", str(copy), "--data", str(new / "data")]) == 0
    with running_tocsin(new) as tocsin:
        (series,) = tocsin.query("kill_test[2h]")
        assert run(["storage", "restore", str(copy), "--data", str(new / "data"), "--replace"]) == 2
        assert "is in use by process" in capsys.readouterr().err
    stored = {int(value) for _, value in series["values"]}
    assert stored >= set(acknowledged)


def test_a_running_tocsin_is_found_by_its_folder(tmp_path, key_file, config, capsys):
    copy, new = tmp_path / "copy", tmp_path / "new"
    with running_tocsin(tmp_path, config.read_text()) as tocsin:
        where = ["--data", str(tocsin.data)]
        assert run(["storage", "backup", str(copy), *where]) == 0
        assert run(["storage", "verify", *where, "--config", str(config)]) == 0
        assert run(["storage", "verify", *where]) == 2
        assert "is encrypted; say by --config" in capsys.readouterr().err
        assert run(["storage", "compact", *where]) == 0
        assert not list(tocsin.data.glob("snapshots/*"))
    assert run(["storage", "restore", str(copy), "--data", str(new), "--config", str(config)]) == 0


def test_a_tocsin_on_another_machine_is_told(tmp_path, monkeypatch, capsys):
    removed = []
    answer = {"name": "20260101T000000000000Z", "path": str(tmp_path / "none")}
    monkeypatch.setattr(storage_source, "ask", lambda *_: answer)
    monkeypatch.setattr(storage_source, "delete", lambda _url, path: removed.append(path))
    assert run(["storage", "backup", str(tmp_path / "copy"), "--url", "http://far:1"]) == 2
    assert "the tocsin at http://far:1 runs on another machine" in capsys.readouterr().err
    assert removed == ["/api/tocsin/storage/snapshots/20260101T000000000000Z"]


def test_a_store_that_nobody_uses_is_compacted(store, capsys):
    data, _ = store
    assert run(["storage", "compact", "--data", str(data)]) == 0
    assert capsys.readouterr().out == "done\n"
