"""What summaries answer is what the samples would have answered to an engine over a plain list."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from tests.promql.stores import ListStore
from tests.support.clock import ManualClock
from tests.support.encryption import KEY, OTHER, require_encryption
from tocsin.errors import StorageError
from tocsin.model import STALE_NAN, Labels, SampleBatch
from tocsin.promql import Engine
from tocsin.storage import DuckDBStorage, StorageSettings
from tocsin.storage.tiers import DAY_MS, HOUR_MS

START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS
FIVE_MINUTES_MS = 300_000
SETTINGS = StorageSettings(
    hot_ms=HOUR_MS,
    retention_ms=3 * HOUR_MS,
    summaries=((FIVE_MINUTES_MS, 12 * HOUR_MS), (HOUR_MS, 60 * DAY_MS)),
)
HOURS = 40

EXACT = (
    "avg_over_time(x[2h])",
    "count_over_time(x[1h])",
    "delta(x[3h])",
    "first_over_time(x[1h])",
    'increase(x{kind!="special"}[4h])',
    "last_over_time(x[2h])",
    "max_over_time(x[1h])",
    "min_over_time(x[5h])",
    "present_over_time(x[1h])",
    'rate(x{kind!="special"}[2h])',
    "stddev_over_time(x[3h])",
    "stdvar_over_time(x[1h])",
    "sum_over_time(x[2h])",
    'sum by (type) (rate(x{kind!="special"}[2h]))',
    "ts_of_first_over_time(x[2h])",
    "ts_of_last_over_time(x[2h])",
    "x",
    "x offset 1h",
    "absent(x)",
    "absent_over_time(x[1h])",
    "max_over_time(x[4h:1h])",
)


def made_samples(seed: int) -> dict[Labels, list[tuple[int, float]]]:
    """Series of many kinds: regular, irregular, with holes, ends, resets, NaN and infinities."""
    noise = random.Random(seed)
    end_ms = START_MS + HOURS * HOUR_MS

    def regular(interval_ms, value):
        phase_ms = noise.randrange(1, interval_ms)
        times = range(START_MS + phase_ms, end_ms, interval_ms)
        return [(time_ms, value(number)) for number, time_ms in enumerate(times)]

    def counter(_, state=[0.0]):  # noqa: B006 - the state is meant to stay
        state[0] = 0.0 if noise.random() < 0.02 else state[0] + noise.randrange(1000)
        return state[0]

    def ended(samples):
        kept, gone = [], False
        for time_ms, value in samples:
            if noise.random() < 0.03:
                gone = not gone
                if gone:
                    kept.append((time_ms, STALE_NAN))
                    continue
            if not gone:
                kept.append((time_ms, value))
        return kept

    def special(_):
        return noise.choice([math.nan, math.inf, -math.inf, 1.5, -2.25, 0.0])

    kinds = {
        "gauge": regular(30_000, lambda n: 50 + 10 * math.sin(n / 50)),
        "large": regular(60_000, lambda n: 1e12 + n),
        "counter": regular(15_000, counter),
        "slow": regular(1_500_000, lambda n: n * 0.1),
        "ended": ended(regular(60_000, float)),
        "ended counter": ended(regular(20_000, counter)),
        "holes": [pair for pair in regular(60_000, counter) if noise.random() < 0.3],
        "special": regular(120_000, special),
        "on the bounds": [(START_MS + n * FIVE_MINUTES_MS, float(n)) for n in range(1, HOURS * 12)],
    }
    return {Labels({"__name__": "x", "kind": kind}): samples for kind, samples in kinds.items()}


async def grown(
    folder, seed: int, key=None, hours: int = HOURS + 3
) -> tuple[DuckDBStorage, ListStore, ManualClock]:
    """A store into which the samples came hour by hour, some up to two hours late; and a list of them."""
    noise = random.Random(seed)
    clock = ManualClock(START_MS)
    store, plain = DuckDBStorage(folder, SETTINGS, clock, key), ListStore()
    waiting = sorted(
        (time_ms + noise.choice([0, 0, 0, 2000, 2 * HOUR_MS]), labels, time_ms, value)
        for labels, samples in made_samples(seed).items()
        for time_ms, value in samples
    )
    for _ in range(hours):
        await clock.advance(3600)
        arrived = [item for item in waiting if item[0] <= clock.now_ms()]
        waiting = waiting[len(arrived) :]
        batch = SampleBatch.from_samples([(labels, time_ms, value) for _, labels, time_ms, value in arrived])
        plain.append_batch(batch)
        await store.append(batch)
        if noise.random() < 0.7:
            await store.keep_up()
    await store.keep_up()
    return store, plain, clock


def answers(engine: Engine, query: str, start_ms: int, end_ms: int, step_ms: int) -> dict:
    """The values by series and number of the step."""
    return {
        (labels, (time_ms - start_ms) // step_ms): value
        for labels, times_ms, values in engine.range(query, start_ms, end_ms, step_ms).series()
        for time_ms, value in zip(times_ms.tolist(), values.tolist(), strict=True)
    }


@pytest.fixture(scope="module", params=[1, 2])
def stores(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiers")
    store, plain, clock = asyncio.run(grown(folder, request.param))
    yield store, plain, clock
    asyncio.run(store.close())


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-6, nan_ok=True), key


@pytest.mark.parametrize("query", EXACT)
def test_hours_answer_as_the_samples_would_have_an_hour_bound_earlier(stores, query):
    """Samples are kept for 3 hours, intervals of 5 minutes for 12; hours go back to the beginning."""
    store, plain, _ = stores
    tiered = Engine(store, summaries=store.summaries, enable_experimental=True)
    direct = Engine(plain, enable_experimental=True)
    for shift_ms in (0, 17 * 60_000 + 1, HOUR_MS - 1):
        start_ms = START_MS + 6 * HOUR_MS
        end_ms = START_MS + 24 * HOUR_MS
        found = answers(tiered, query, start_ms + shift_ms, end_ms + shift_ms, HOUR_MS)
        same(found, answers(direct, query, start_ms, end_ms, HOUR_MS))


@pytest.mark.parametrize(
    "query", ['rate(x{kind!="special"}[25m])', "avg_over_time(x[1h])", "x", "max_over_time(x[5m])"]
)
def test_intervals_of_five_minutes_do_where_hours_would_not(stores, query):
    store, plain, clock = stores
    tiered, direct = Engine(store, summaries=store.summaries), Engine(plain)
    start_ms = clock.now_ms() - 9 * HOUR_MS
    found = answers(tiered, query, start_ms + 1234, start_ms + 4 * HOUR_MS + 1234, 1_500_000)
    same(found, answers(direct, query, start_ms, start_ms + 4 * HOUR_MS, 1_500_000))


def test_the_newest_samples_answer_themselves(stores):
    store, plain, clock = stores
    tiered, direct = Engine(store, summaries=store.summaries), Engine(plain)
    start_ms, end_ms = clock.now_ms() - 2 * HOUR_MS, clock.now_ms()
    for query in ("rate(x[3m])", "quantile_over_time(0.5, x[7m])", "x"):
        same(
            answers(tiered, query, start_ms, end_ms, 61_000),
            answers(direct, query, start_ms, end_ms, 61_000),
        )


def test_a_window_over_all_tiers_is_right_up_to_the_last_bound(stores):
    store, plain, clock = stores
    tiered, direct = Engine(store, summaries=store.summaries), Engine(plain)
    now_ms = clock.now_ms()
    found = tiered.instant(f"sum_over_time(x[{HOURS}h])", now_ms - 1)
    expected = direct.instant(f"sum_over_time(x[{HOURS}h])", now_ms // HOUR_MS * HOUR_MS - HOUR_MS)
    assert dict(found.samples()).keys() == dict(expected.samples()).keys()
    for labels, value in dict(expected.samples()).items():
        assert dict(found.samples())[labels] == pytest.approx(value, rel=1e-9, nan_ok=True)


def test_other_functions_see_the_last_sample_of_each_interval(stores):
    store, plain, _ = stores
    tiered = Engine(store, summaries=store.summaries)
    at_ms = START_MS + 20 * HOUR_MS
    found = dict(tiered.instant('quantile_over_time(1, x{kind="large"}[3h])', at_ms).samples())
    expected = dict(Engine(plain).instant('max_over_time(x{kind="large"}[3h])', at_ms).samples())
    assert list(found.values()) == list(expected.values())


async def test_a_restart_changes_nothing(tmp_path):
    store, _, clock = await grown(tmp_path, 4)
    before = answers(Engine(store, summaries=store.summaries), "avg_over_time(x[2h])", *_whole(clock))
    await store.close()
    again = DuckDBStorage(tmp_path, SETTINGS, clock)
    same(answers(Engine(again, summaries=again.summaries), "avg_over_time(x[2h])", *_whole(clock)), before)
    await again.close()


def _whole(clock: ManualClock) -> tuple[int, int, int]:
    return START_MS + 2 * HOUR_MS, clock.now_ms() // HOUR_MS * HOUR_MS, HOUR_MS


async def test_blocks_and_summaries_of_an_encrypted_store_can_be_read_with_its_key_alone(tmp_path):
    require_encryption()
    store, plain, clock = await grown(tmp_path, 3, KEY)
    blocks = list(tmp_path.glob("blocks/*/*.parquet"))
    assert blocks
    assert all(path.read_bytes()[:4] == b"PARE" for path in blocks)
    same(
        answers(Engine(store, summaries=store.summaries), "max_over_time(x[1h])", *_whole(clock)),
        answers(Engine(plain), "max_over_time(x[1h])", *_whole(clock)),
    )
    await store.close()
    with pytest.raises(StorageError, match="encrypted with another key"):
        DuckDBStorage(tmp_path, SETTINGS, clock, OTHER)
