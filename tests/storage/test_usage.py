from __future__ import annotations

import pytest

from tests.storage.test_duckdb import HOUR_MS, NOW_MS, UP
from tests.support.clock import ManualClock
from tocsin.model import SampleBatch
from tocsin.storage import DuckDBStorage, StorageSettings, StorageUsage

GIB = 1 << 30
DAY_MS = 24 * HOUR_MS


def usage(**figures) -> StorageUsage:
    known = {
        "path": "x",
        "file_bytes": 2 * GIB,
        "disk_free_bytes": 10 * GIB,
        "series": 1,
        "samples": GIB,
        "samples_a_day": GIB / 2,
        "oldest_ms": 0,
        "newest_ms": 1,
        "retention_ms": 15 * DAY_MS,
    }
    return StorageUsage(**{**known, **figures})


def test_a_disk_that_the_file_outgrows_is_full_some_day():
    figures = usage()
    assert (figures.bytes_a_sample, figures.bytes_a_day) == (2.0, GIB)
    assert figures.predicted_bytes == 15 * GIB
    assert figures.days_until_full == 10.0


def test_a_disk_that_holds_what_is_kept_is_never_full():
    assert usage(disk_free_bytes=13 * GIB).days_until_full is None


def test_nothing_is_known_of_an_empty_store():
    figures = usage(samples=0, samples_a_day=None, oldest_ms=None, newest_ms=None)
    assert figures.bytes_a_sample is figures.predicted_bytes is figures.days_until_full is None


async def test_the_store_counts_what_it_holds(tmp_path):
    clock = ManualClock(NOW_MS)
    store = DuckDBStorage(tmp_path, StorageSettings(retention_ms=DAY_MS), clock)
    assert store.usage().samples == 0
    await store.append(SampleBatch.at(NOW_MS, {UP: 1.0}))
    assert store.usage().bytes_a_day is None, "too young to tell"
    for hours in range(1, 6):
        await store.append(SampleBatch.at(NOW_MS - hours * HOUR_MS, {UP: 1.0}))
    figures = store.usage()
    assert (figures.series, figures.samples) == (1, 6)
    assert (figures.oldest_ms, figures.newest_ms) == (NOW_MS - 5 * HOUR_MS, NOW_MS)
    assert figures.samples_a_day == pytest.approx(6 * 24 / 5)
    assert figures.file_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert figures.path == str(tmp_path / "tocsin.duckdb")
    await store.close()
