from __future__ import annotations

import pytest

from tests.storage.test_duckdb import HOUR_MS, NOW_MS, UP
from tests.support.clock import ManualClock
from tocsin.model import SampleBatch
from tocsin.storage import DuckDBStorage, StorageSettings, StorageUsage, TierUsage
from tocsin.storage.tiers import Tier

GIB = 1 << 30
DAY_MS = 24 * HOUR_MS


def raw(**figures) -> TierUsage:
    known = {
        "tier": Tier(0, 15 * DAY_MS, 0, 0),
        "rows": GIB,
        "block_rows": GIB,
        "block_bytes": 2 * GIB,
        "blocks": 15,
        "oldest_ms": 0,
        "newest_ms": 1,
        "rows_a_day": GIB / 2,
    }
    return TierUsage(**{**known, **figures})


def usage(free_bytes: int = 10 * GIB, **figures) -> StorageUsage:
    return StorageUsage("x", 0, free_bytes, 1, (raw(**figures),))


def test_a_disk_that_the_store_outgrows_is_full_some_day():
    figures = usage()
    assert (figures.raw.bytes_a_row, figures.bytes_a_day) == (2.0, GIB)
    assert figures.predicted_bytes == 15 * GIB
    assert figures.days_until_full == 10.0


def test_a_disk_that_holds_what_is_kept_is_never_full():
    assert usage(13 * GIB).days_until_full is None


def test_nothing_is_known_of_an_empty_store():
    figures = usage(rows=0, block_rows=0, block_bytes=0, rows_a_day=None, oldest_ms=None, newest_ms=None)
    assert figures.bytes_a_day is figures.predicted_bytes is figures.days_until_full is None


async def test_the_store_counts_what_it_holds(tmp_path):
    clock = ManualClock(NOW_MS)
    store = DuckDBStorage(tmp_path, StorageSettings(retention_ms=DAY_MS), clock)
    assert store.usage().raw.rows == 0
    await store.append(SampleBatch.at(NOW_MS, {UP: 1.0}))
    assert store.usage().bytes_a_day is None, "too young to tell"
    for hours in range(1, 6):
        await store.append(SampleBatch.at(NOW_MS - hours * HOUR_MS, {UP: 1.0}))
    figures = store.usage()
    assert (figures.series, figures.raw.rows) == (1, 6)
    assert (figures.raw.oldest_ms, figures.raw.newest_ms) == (NOW_MS - 5 * HOUR_MS, NOW_MS)
    assert figures.raw.rows_a_day == pytest.approx(6 * 24 / 5)
    assert figures.file_bytes == sum(file.stat().st_size for file in tmp_path.glob("tocsin.*"))
    assert figures.path == str(tmp_path / "tocsin.duckdb")
    await store.close()
