from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.test_head import batches, matcher_lists, series
from tests.support.clock import ManualClock
from tests.support.stores import DictStore, bits, samples_of
from tocsin.errors import SamplesRefusedError, SeriesLimitError, StorageError
from tocsin.model import Labels, Matcher, MatchType, MetricMetadata, MetricType, SampleBatch
from tocsin.storage.duckdb import DuckDBStorage, StorageSettings
from tocsin.storage.file import FILE_NAME

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
UP = Labels({"__name__": "up", "job": 'quoted "job"\n'})


def open_store(folder: Path, now_ms: int = NOW_MS) -> DuckDBStorage:
    return DuckDBStorage(folder, StorageSettings(), ManualClock(now_ms))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=batches, matchers=matcher_lists, age_hours=st.sampled_from([0, 10]))
def test_the_file_agrees_with_a_dictionary_also_after_a_restart(
    tmp_path_factory, batches, matchers, age_hours
):
    """Samples of the newest hours come from memory, those ten hours old from the file."""
    folder = tmp_path_factory.mktemp("store")
    base_ms = NOW_MS - age_hours * HOUR_MS
    asked = (base_ms + 3, base_ms + 25)
    oracle = DictStore()

    async def write_and_ask() -> None:
        store = open_store(folder)
        for rows in batches:
            # DuckDB keeps a stretch of 0.0 and -0.0 as one zero; adding 0.0 leaves no negative zero.
            batch = SampleBatch.from_samples([(series(n), base_ms + t, v + 0.0) for n, t, v in rows])
            oracle.append_batch(batch)
            await store.append(batch)
        assert samples_of(store.select(matchers, *asked)) == oracle.select(matchers, *asked)
        await store.close()
        store = open_store(folder)
        assert samples_of(store.select(matchers, *asked)) == oracle.select(matchers, *asked)
        assert store.series(matchers, *asked) == sorted(oracle.select(matchers, *asked))
        await store.close()

    asyncio.run(write_and_ask())


async def test_metadata_survives_a_restart(tmp_path):
    store = open_store(tmp_path)
    store.describe({"up": MetricMetadata(MetricType.GAUGE, "Whether it answers.", "")})
    await store.close()
    store = open_store(tmp_path)
    assert store.metadata()["up"].help == "Whether it answers."
    await store.close()


async def test_metadata_is_written_by_upkeep_too(tmp_path):
    store = open_store(tmp_path)
    store.describe({"up": MetricMetadata(MetricType.GAUGE, "Whether it answers.", "")})
    await store.keep_up()
    await store.snapshot(tmp_path / "copy")
    await store.close()
    copy = open_store(tmp_path / "copy")
    assert copy.metadata()["up"].help == "Whether it answers."
    await copy.close()


async def test_what_is_older_than_the_retention_is_removed(tmp_path):
    old_ms = NOW_MS - 16 * 24 * HOUR_MS
    store = open_store(tmp_path, old_ms)
    await store.append(SampleBatch.at(old_ms, {UP: 1.0}))
    await store.close()
    store = open_store(tmp_path)
    await store.append(SampleBatch.at(NOW_MS, {UP: 2.0}))
    await store.append(SampleBatch.at(NOW_MS + 1, {UP: 3.0}))
    await store.keep_up()
    assert len(samples_of(store.select([], 0, NOW_MS + 1))[UP]) == 2
    await store.close()


async def test_a_second_store_on_the_same_folder_is_refused(tmp_path):
    store = open_store(tmp_path)
    await store.append(SampleBatch.at(NOW_MS, {UP: 1.0}))
    code = (
        "import sys; from pathlib import Path; from tocsin.storage import DuckDBStorage\n"
        "from tocsin.errors import StorageError\n"
        "try: DuckDBStorage(Path(sys.argv[1]))\n"
        "except StorageError as error: print(error)\n"
    )
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is in use by process" in second.stdout
    assert len(second.stdout.splitlines()) == 1
    await store.close()


def write_store(folder: Path) -> Path:
    async def write() -> None:
        store = open_store(folder)
        noise = random.Random(1)
        for time_ms in range(100):
            values = {series(number): noise.random() for number in range(2000)}
            await store.append(SampleBatch.at(NOW_MS - time_ms, values))
        await store.close()

    asyncio.run(write())
    return folder / FILE_NAME


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.7])
def test_a_damaged_file_is_refused_and_left_untouched(tmp_path, part):
    path = write_store(tmp_path)
    content = bytearray(path.read_bytes())
    start = int(len(content) * part)
    for position in range(start, min(start + 6000, len(content))):
        content[position] ^= 0x5A
    path.write_bytes(content)
    with pytest.raises(StorageError, match="left untouched"):
        open_store(tmp_path)
    assert path.read_bytes() == bytes(content)


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_damaged_log_is_refused_and_left_untouched(tmp_path, part):
    killed = tmp_path / "killed"
    code = (
        "import asyncio, os, sys; from pathlib import Path; from tocsin.storage import DuckDBStorage\n"
        "from tocsin.model import Labels, SampleBatch\n"
        "async def main():\n"
        "    store = DuckDBStorage(Path(sys.argv[1]))\n"
        "    for t in range(100): await store.append(SampleBatch.at(t, {Labels({'__name__': 'up'}): 1.0}))\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(killed)], check=False)
    assert ended.returncode == -signal.SIGKILL
    log = killed / f"{FILE_NAME}.wal"
    content = bytearray(log.read_bytes())
    start = int(len(content) * part)
    content[start : start + 50] = bytes(50)
    log.write_bytes(content)
    with pytest.raises(StorageError, match="left untouched"):
        open_store(killed)
    assert log.read_bytes() == bytes(content)


def test_a_file_of_something_else_is_refused_and_left_untouched(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_text("not a database")
    with pytest.raises(StorageError, match="not a tocsin store"):
        open_store(tmp_path)
    assert path.read_text() == "not a database"


def test_a_duckdb_file_of_somebody_else_is_refused_and_left_untouched(tmp_path):
    path = tmp_path / FILE_NAME
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs (x INTEGER)")
    content = path.read_bytes()
    with pytest.raises(StorageError, match="not a tocsin store"):
        open_store(tmp_path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot use the data folder"):
        open_store(tmp_path / "file" / "below")


async def test_a_full_disk_is_told_to_the_writer_and_nothing_is_kept(tmp_path):
    store = open_store(tmp_path)
    await store.append(SampleBatch.at(NOW_MS, {UP: 1.0}))
    store._connection.execute("DROP TABLE samples")
    with pytest.raises(StorageError, match="cannot write"):
        await store.append(SampleBatch.at(NOW_MS + 1, {UP: 2.0}))
    assert samples_of(store.select([], NOW_MS, NOW_MS + 1)) == {
        UP: {NOW_MS: b"\x00\x00\x00\x00\x00\x00\xf0?"}
    }
    await store.close()
    shutil.rmtree(tmp_path)
    with pytest.raises(StorageError, match="is closed"):
        await store.append(SampleBatch.at(NOW_MS + 2, {UP: 3.0}))


async def test_a_caller_who_gives_up_does_not_stop_the_writer(tmp_path):
    store = open_store(tmp_path)
    for number in range(200):
        waiting = asyncio.create_task(store.append(SampleBatch.at(NOW_MS + number, {UP: 1.0})))
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    await store.append(SampleBatch.at(NOW_MS + 1000, {UP: 2.0}))
    assert NOW_MS + 1000 in samples_of(store.select([], NOW_MS, NOW_MS + 1000))[UP]
    await store.close()


def run_of(number: int) -> Labels:
    return Labels({"__name__": "training_loss", "run": str(number)})


async def test_new_series_are_refused_when_there_are_as_many_as_there_may_be(tmp_path):
    store = DuckDBStorage(tmp_path, StorageSettings(max_series=2), ManualClock(NOW_MS))
    await store.append(SampleBatch.at(NOW_MS, {run_of(0): 1.0, run_of(1): 1.0}))
    with pytest.raises(SeriesLimitError, match=r"2 samples of new series are refused: there are 2 series"):
        await store.append(SampleBatch.at(NOW_MS + 1, {run_of(number): 2.0 for number in range(4)}))
    assert store.refused_samples == {"max_series": 2, "out_of_order": 0, "too_old": 0}
    assert store.series([], NOW_MS + 1, NOW_MS + 1) == [run_of(0), run_of(1)], "known ones go on"
    await store.close()
    store = open_store(tmp_path)
    assert store.series([], 0, NOW_MS + 1) == [run_of(0), run_of(1)]
    await store.close()


async def test_a_series_whose_last_sample_is_gone_is_forgotten_and_can_come_back(tmp_path):
    clock = ManualClock(NOW_MS)
    kept = StorageSettings(HOUR_MS, 10 * HOUR_MS, 2, summaries=())
    everything = Matcher("job", MatchType.EQUAL, "")
    store = DuckDBStorage(tmp_path, kept, clock)
    await store.append(SampleBatch.at(NOW_MS, {run_of(0): 1.0, run_of(1): 1.0}))
    await store.append(SampleBatch.at(NOW_MS + 5 * HOUR_MS, {run_of(1): 2.0}))
    assert store.series([everything], 0, 2 * NOW_MS) == [run_of(0), run_of(1)]
    await clock.advance(11 * 3600)
    await store.keep_up()
    assert store.series([everything], 0, 2 * NOW_MS) == [run_of(1)]
    late_ms = clock.now_ms()
    await store.append(SampleBatch.at(late_ms, {run_of(2): 3.0}))
    with pytest.raises(SeriesLimitError):
        await store.append(SampleBatch.at(late_ms, {run_of(0): 4.0}))
    for _ in range(2):
        assert samples_of(store.select([everything], 0, 2 * NOW_MS)) == {
            run_of(1): {NOW_MS + 5 * HOUR_MS: bits(2.0)},
            run_of(2): {late_ms: bits(3.0)},
        }
        await store.close()
        store = DuckDBStorage(tmp_path, StorageSettings(hot_ms=HOUR_MS, summaries=()), clock)
    await store.append(SampleBatch.at(late_ms, {run_of(0): 5.0}))
    assert store.series([everything], late_ms, late_ms) == [run_of(0), run_of(2)]
    await store.close()


async def test_samples_out_of_order_are_refused_when_they_are_older_than_the_window(tmp_path):
    window = StorageSettings(out_of_order_ms=600_000)
    store = DuckDBStorage(tmp_path, window, ManualClock(NOW_MS))
    await store.append(SampleBatch.at(NOW_MS, {run_of(0): 1.0}))
    late_ms, too_late_ms = NOW_MS - 600_000, NOW_MS - 600_001
    await store.append(SampleBatch.at(late_ms, {run_of(0): 2.0}))
    with pytest.raises(SamplesRefusedError, match=r"1 samples out of order are refused.* older than 10m"):
        await store.append(SampleBatch.at(too_late_ms, {run_of(0): 3.0, run_of(1): 4.0}))
    await store.close()
    store = DuckDBStorage(tmp_path, window, ManualClock(NOW_MS))
    with pytest.raises(SamplesRefusedError):
        await store.append(SampleBatch.at(too_late_ms, {run_of(0): 3.0, run_of(1): 5.0}))
    assert samples_of(store.select([], 0, NOW_MS)) == {
        run_of(0): {late_ms: bits(2.0), NOW_MS: bits(1.0)},
        run_of(1): {too_late_ms: bits(5.0)},
    }
    assert store.refused_samples["out_of_order"] == 1
    await store.close()


async def test_samples_that_nothing_is_kept_of_are_counted(tmp_path):
    store = open_store(tmp_path)
    await store.append(SampleBatch.at(NOW_MS - 400 * 24 * HOUR_MS, {UP: 1.0}))
    await store.keep_up()
    assert store.refused_samples["too_old"] == 1
    assert store.series([], 0, NOW_MS) == []
    await store.close()
