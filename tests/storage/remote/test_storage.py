"""A store in a real Prometheus and a real VictoriaMetrics gives back what was written."""

from __future__ import annotations

import asyncio
import random
import time

import numpy as np
import pytest

from tests.storage.remote.engines import ENGINES, PROMETHEUS, VICTORIA_METRICS, running_engine
from tests.support.stores import DictStore, bits, samples_of
from tocsin.errors import StorageError
from tocsin.model import STALE_NAN, Labels, Matcher, MatchType, MetricMetadata, MetricType, SampleBatch

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

NOW_MS = time.time_ns() // 1_000_000 // 60_000 * 60_000 - 600_000
"""Ten minutes ago, so that no engine holds anything back."""


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    with running_engine(request.param, tmp_path) as engine:
        yield engine


@pytest.fixture
async def storage(engine):
    storage = engine.storage()
    yield storage
    await storage.close()


def labels(metric, **others):
    return Labels({"__name__": metric, **others})


def random_rows(metric, seed):
    """Series with times of their own over nine hours, with infinities, and values of every size."""
    rng = random.Random(seed)
    rows = []
    for number in range(40):
        own = labels(metric, series=str(number), kind=rng.choice(["a", "b\\c", 'd"e', "f\ng", "ü"]))
        times = sorted(rng.sample(range(NOW_MS - 9 * 3_600_000, NOW_MS), rng.randint(1, 60)))
        # VictoriaMetrics keeps the samples of a series at one exponent.
        size = 10.0 ** rng.randint(-9, 9)
        values = [rng.choice([rng.uniform(-1, 1) * size, 0.0, np.inf]) for _ in times]
        rows += zip([own] * len(times), times, values, strict=True)
    # Engines take the samples of a series in order of time; different series may lie apart.
    return sorted(rows, key=lambda row: row[1])


async def test_what_was_written_is_read(engine, storage):
    oracle = DictStore()
    rows = random_rows("random", seed=1)
    for batch in (SampleBatch.from_samples(rows[:700]), SampleBatch.from_samples(rows[700:])):
        oracle.append_batch(batch)
        await storage.append(batch)
    await asyncio.to_thread(engine.show)
    selectors = [
        (Matcher.metric("random"),),
        (Matcher.metric("random"), Matcher("kind", MatchType.EQUAL, 'd"e')),
        (Matcher.metric("random"), Matcher("kind", MatchType.EQUAL, "f\ng")),
        (Matcher.metric("random"), Matcher("kind", MatchType.NOT_EQUAL, "b\\c")),
        (Matcher("__name__", MatchType.REGEX, "ran.+"), Matcher("series", MatchType.REGEX, "1.*")),
        (Matcher.metric("random"), Matcher("series", MatchType.NOT_REGEX, "[0-4]|1.")),
        (Matcher.metric("nowhere"),),
    ]
    times = [time_ms for _, time_ms, _ in rows]
    ranges = [(NOW_MS - 36_000_000, NOW_MS), (times[10], times[900]), (times[50], times[50])]
    for matchers in selectors:
        for start_ms, end_ms in ranges:
            got = samples_of(await asyncio.to_thread(storage.select, matchers, start_ms, end_ms))
            wanted = oracle.select(matchers, start_ms, end_ms)
            assert without_markers(got).keys() == wanted.keys()
            for series, samples in without_markers(got).items():
                assert samples.keys() == wanted[series].keys()
                mine = [np.frombuffer(samples[t])[0] for t in sorted(samples)]
                theirs = [np.frombuffer(wanted[series][t])[0] for t in sorted(samples)]
                exactly = 0 if engine.program == PROMETHEUS else 1e-9
                np.testing.assert_allclose(mine, theirs, rtol=exactly)


def without_markers(samples):
    marker = bits(STALE_NAN)
    return {series: {t: v for t, v in points.items() if v != marker} for series, points in samples.items()}


async def test_a_series_that_ended_ends(engine, storage):
    rows = [(labels("ends", how=how), NOW_MS - 900_000 + n * 15_000, n) for n in range(20) for how in "ab"]
    rows.append((labels("ends", how="a"), NOW_MS - 900_000 + 20 * 15_000, STALE_NAN))
    await storage.append(SampleBatch.from_samples(rows))
    await asyncio.to_thread(engine.show)
    last_ms = NOW_MS - 900_000 + 19 * 15_000
    for end_ms in (last_ms + 15_000, last_ms + 100_000, NOW_MS - 1000):
        blocks = await asyncio.to_thread(storage.select, (Matcher.metric("ends"),), NOW_MS - 900_000, end_ms)
        found = samples_of(blocks)
        ended, other = found[labels("ends", how="a")], found[labels("ends", how="b")]
        assert ended[max(ended)] == bits(STALE_NAN)
        assert max(ended) == last_ms + (1 if engine.program == PROMETHEUS else 15_000)
        assert len(ended) == 21
        assert max(other) == last_ms
        assert len(other) == 20
    before = samples_of(
        await asyncio.to_thread(storage.select, (Matcher.metric("ends"),), NOW_MS - 900_000, last_ms)
    )
    assert bits(STALE_NAN) not in before[labels("ends", how="a")].values()


async def test_series_and_metadata(engine, storage):
    storage.describe({"described_total": MetricMetadata(MetricType.COUNTER, "What it counts.", "")})
    rows = [(labels("described_total", x=x), NOW_MS, 1.0) for x in "cab"]
    await storage.append(SampleBatch.from_samples(rows))
    await asyncio.to_thread(engine.show)
    matchers = (Matcher.metric("described_total"),)
    wanted = [labels("described_total", x=x) for x in "abc"]
    assert await asyncio.to_thread(storage.series, matchers, NOW_MS - 60_000, NOW_MS + 60_000) == wanted
    everything = await asyncio.to_thread(storage.series, (), -(2**53), 2**53)
    assert set(wanted) <= set(everything)
    assert storage.metadata()["described_total"].help == "What it counts."
    assert storage.memory_start_ms > 2**60


async def test_one_bad_batch_harms_no_other(engine, storage):
    if engine.program == VICTORIA_METRICS:
        pytest.skip("VictoriaMetrics refuses nothing")
    await storage.append(SampleBatch.at(NOW_MS, {labels("order"): 1.0}))
    late = SampleBatch.at(NOW_MS - 1000, {labels("order"): 2.0})
    fine = SampleBatch.at(NOW_MS, {labels("fine"): 3.0})
    outcomes = await asyncio.gather(*map(storage.append, (fine, late, fine)), return_exceptions=True)
    assert outcomes[0] is None
    assert outcomes[2] is None
    assert isinstance(outcomes[1], StorageError)
    assert str(outcomes[1]).endswith("(HTTP status 400): out of order sample")


async def test_the_engine_goes_and_comes_back(engine, storage):
    await storage.append(SampleBatch.at(NOW_MS, {labels("before"): 1.0}))
    await asyncio.to_thread(engine.show)
    await asyncio.to_thread(engine.stop)
    waiting = asyncio.create_task(storage.append(SampleBatch.at(NOW_MS, {labels("meanwhile"): 1.0})))
    with pytest.raises(StorageError, match=r"^cannot reach http://127.0.0.1:\d+: .+"):
        await asyncio.to_thread(storage.select, (Matcher.metric("before"),), NOW_MS, NOW_MS)
    await asyncio.to_thread(engine.start)
    await waiting
    await storage.append(SampleBatch.at(NOW_MS, {labels("after"): 2.0}))
    await asyncio.to_thread(engine.show)
    for metric in ("before", "meanwhile", "after"):
        found = await asyncio.to_thread(storage.select, (Matcher.metric(metric),), NOW_MS, NOW_MS)
        assert len(samples_of(found)) == 1
