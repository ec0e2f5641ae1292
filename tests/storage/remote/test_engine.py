"""An engine elsewhere answers as tocsin's own does: the same samples, the same questions."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from tests.promql.comparing import ask, difference
from tests.storage.remote.engines import ENGINES, PROMETHEUS, running_engine
from tocsin.errors import NotQuickError, QueryCancelledError, QueryError, QueryLimitError, StorageError
from tocsin.model import STALE_NAN, Labels, SampleBatch
from tocsin.promql import Engine, QueryLimits
from tocsin.promql.ast import ValueType
from tocsin.promql.remote import QueryEngine, RemoteEngine
from tocsin.storage.head import Head
from tocsin.storage.remote import QueryClient

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

NOW_MS = time.time_ns() // 1_000_000 // 60_000 * 60_000 - 1_200_000
START_MS = NOW_MS - 600_000
ON_EACH = [
    "m",
    'm{job="a"}',
    "sum(m)",
    "sum by (job) (m)",
    "m > 3",
    "m * 2 + 1",
    "count(m)",
    "max by (job) (m)",
    "absent(nowhere)",
    "nowhere",
    "vector(7)",
    "sum by (job) (m) / on(job) count by (job) (m)",
]
ON_PROMETHEUS = [
    *ON_EACH,
    "m / ignoring(instance) group_left sum by (job) (m)",
    "max_over_time(m[1m])",
    "rate(m[1m])",
    "m[45s]",
    "7",
    '"text"',
    "time()",
    "last_over_time(gone[5m])",
    "gone",
    "1 / 0",
    "-1 / 0 * vector(1)",
    "0 / 0 * vector(1)",
    "histogram_quantile(0.9, sum by (le) (rate(h_bucket[2m])))",
    "label_replace(m, 'x', '$1', 'job', '(.*)')",
    "m offset 1m",
    "quantile_over_time(0.5, m[3m:10s])",
]


def rows():
    for step in range(41):
        at_ms = START_MS + step * 15_000
        for instance, job in (("1", "a"), ("2", "a"), ("3", "b")):
            own = {"instance": instance, "job": job}
            yield Labels({"__name__": "m", **own}), at_ms, float(int(instance) * step % 7)
        for bound, factor in (("1", 1), ("2", 3), ("+Inf", 4)):
            yield Labels({"__name__": "h_bucket", "le": bound}), at_ms, float(factor * step)
        if step <= 30:
            yield Labels({"__name__": "gone"}), at_ms, STALE_NAN if step == 30 else 1.0


@pytest.fixture(scope="module", params=ENGINES)
def both(request, tmp_path_factory):
    """The program's name, an engine over it, and our own over the same samples."""
    batch = SampleBatch.from_samples(sorted(rows(), key=lambda row: row[1]))
    head = Head()
    head.append_batch(batch)

    async def write(engine):
        storage = engine.storage()
        await storage.append(batch)
        await storage.close()

    with running_engine(request.param, tmp_path_factory.mktemp(request.param)) as engine:
        asyncio.run(write(engine))
        engine.show()
        client = QueryClient(engine.connection())
        yield request.param, RemoteEngine(client), Engine(head)
        client.close()


def test_both_agree(both):
    program, remote, own = both
    engines: tuple[QueryEngine, QueryEngine] = (remote, own)
    assert engines
    problems = {}
    for query in ON_PROMETHEUS if program == PROMETHEUS else ON_EACH:
        # Prometheus 2 counts the beginning of a range in, so nothing stands there.
        for span in ((NOW_MS - 67_000,) * 2, (START_MS + 60_001, NOW_MS - 7_000, 13_000)):
            if query in {"m[45s]", '"text"'} and len(span) == 3:
                continue
            start_ms, end_ms, step_ms = (*span, 0)[:3]
            got = ask(remote, query, start_ms, end_ms, step_ms)
            wanted = ask(own, query, start_ms, end_ms, step_ms)
            if problem := difference(got, wanted, relative=1e-9, absolute=1e-12):
                problems[query, len(span)] = problem
    assert not problems


def test_results_have_the_same_shape(both):
    program, remote, own = both
    for query in ("sum(m)", "m", "7", "m[45s]"):
        if program != PROMETHEUS and query == "7":
            continue  # MetricsQL has no scalars.
        at_ms = NOW_MS - 67_000
        got, wanted = remote.instant(query, at_ms), own.instant(query, at_ms)
        assert got.type is wanted.type
        assert got.values.shape == wanted.values.shape
        assert sorted(got.labels) == sorted(wanted.labels)
    got = remote.range("m", START_MS, NOW_MS, 7000)
    wanted = own.range("m", START_MS, NOW_MS, 7000)
    assert list(got.labels) == list(wanted.labels)
    np.testing.assert_array_equal(got.timestamps_ms, wanted.timestamps_ms)
    np.testing.assert_array_equal(got.values, wanted.values)
    assert got.stats.series == 3


def test_a_string(both):
    program, remote, _ = both
    if program != PROMETHEUS:
        pytest.skip("MetricsQL gives no strings")
    result = remote.instant('"text"', NOW_MS)
    assert (result.type, result.string) == (ValueType.STRING, "text")


def test_what_is_wrong_is_said(both):
    _, remote, _ = both
    with pytest.raises(QueryError):
        remote.instant("m +", NOW_MS)
    with pytest.raises(QueryError):
        remote.instant("m * on(job) m", NOW_MS)
    with pytest.raises(NotQuickError):
        remote.instant("m", NOW_MS, quickly=True)
    with pytest.raises(QueryError, match="zero or negative"):
        remote.range("m", NOW_MS, NOW_MS, 0)
    with pytest.raises(QueryError, match="must not be before"):
        remote.range("m", NOW_MS, NOW_MS - 1, 1000)


def test_limits_hold(both):
    _, remote, _ = both
    with pytest.raises(QueryLimitError, match="selects 3 series, allowed are 2"):
        remote.instant("m", NOW_MS, limits=QueryLimits(max_series=2))
    with pytest.raises(QueryLimitError, match="too many samples"):
        remote.range("m", START_MS, NOW_MS, 1000, limits=QueryLimits(max_samples=100))
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(QueryCancelledError):
        remote.instant("m", NOW_MS, cancelled=cancelled)


def test_looking_back(both):
    program, remote, _ = both
    at_ms = NOW_MS + 200_000
    assert len(remote.instant("m", at_ms).labels) == 3
    if program != PROMETHEUS:
        assert not remote.instant("m", at_ms, lookback_ms=100_000).labels


def test_an_engine_that_is_down(tmp_path):
    with running_engine(PROMETHEUS, tmp_path) as engine:
        client = QueryClient(engine.connection())
        remote = RemoteEngine(client)
        assert remote.instant("7", NOW_MS).scalar == 7
        engine.stop()
        with pytest.raises(StorageError, match=r"^cannot reach http://127.0.0.1:\d+: "):
            remote.instant("7", NOW_MS)
        engine.start()
        assert remote.instant("7", NOW_MS).scalar == 7
        client.close()
