"""A year in quick motion: what is left of it answers as the samples would have, in the room predicted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.storage.test_tiers import answers, same
from tests.support.clock import ManualClock
from tocsin.model import Labels, SampleBatch
from tocsin.promql import Engine
from tocsin.storage import DuckDBStorage, Head, StorageSettings
from tocsin.storage.tiers import DAY_MS

START_MS = 1_690_000_000_000 // DAY_MS * DAY_MS
STEP_MS = DAY_MS
INTERVAL_MS = 60_000
QUERIES = (
    "avg_over_time(x[1d])",
    "count_over_time(x[1d])",
    "increase(x[1d])",
    "max_over_time(x[1h])",
    "min_over_time(x[1d])",
    "rate(x[6h])",
    "stddev_over_time(x[1d])",
    "sum_over_time(x[1h])",
    "x",
)


def made_step(number: int, noise: np.random.Generator) -> SampleBatch:
    """A day of a counter that begins anew each month, of a gauge with days, and of a constant."""
    first_ms = START_MS + number * STEP_MS
    times_ms = np.arange(first_ms + INTERVAL_MS, first_ms + STEP_MS + 1, INTERVAL_MS)
    month_ms = (times_ms - START_MS) % (30 * DAY_MS)
    days = (times_ms - START_MS) / DAY_MS
    columns = {
        "counter": np.floor(month_ms / 1000 * 3 + noise.integers(0, 100, len(times_ms))),
        "gauge": np.round(50 + 20 * np.sin(days * 2 * math.pi) + noise.normal(0, 2, len(times_ms)), 1),
        "constant": np.full(len(times_ms), 64.0),
    }
    series = [Labels({"__name__": "x", "kind": kind}) for kind in columns]
    return SampleBatch(
        series,
        np.repeat(np.arange(len(series)), len(times_ms)),
        np.tile(times_ms, len(series)),
        np.concatenate(list(columns.values())),
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("days", [365])
async def test_a_year_is_answered_by_its_hours_and_takes_the_room_that_was_predicted(tmp_path, days):
    clock, noise = ManualClock(START_MS), np.random.default_rng(1)
    store, everything = DuckDBStorage(tmp_path, StorageSettings(), clock), Head()
    predicted = None
    for number in range(days * DAY_MS // STEP_MS):
        await clock.advance(STEP_MS / 1000)
        batch = made_step(number, noise)
        everything.append_batch(batch)
        await store.append(batch)
        await store.keep_up()
        if number == 40 * DAY_MS // STEP_MS:
            predicted = store.usage()
    tiered, direct = Engine(store, summaries=store.summaries), Engine(everything)
    end_ms = START_MS + (days - 8) * DAY_MS
    for query in QUERIES:
        found = answers(tiered, query, START_MS + DAY_MS, end_ms, DAY_MS)
        assert found
        same(found, answers(direct, query, START_MS + DAY_MS, end_ms, DAY_MS))
    used, tiers = store.usage(), {tier.tier.name: tier for tier in store.usage().tiers}
    print(f"{used.used_bytes:,} bytes used, {predicted.predicted_bytes:,.0f} predicted after 40 days")
    for name, tier in tiers.items():
        print(f"  {name}: {tier.rows:,} rows, {tier.block_bytes:,} bytes, {tier.bytes_a_row:.2f} bytes a row")
    assert used.used_bytes == pytest.approx(predicted.predicted_bytes, rel=0.25)
    raw_days = (clock.now_ms() - tiers["raw"].oldest_ms) / DAY_MS
    assert 7 <= raw_days <= 8
    assert 30 <= (clock.now_ms() - tiers["5m"].oldest_ms) / DAY_MS <= 32
    await store.close()
