import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from tests.support.clock import ManualClock
from tocsin.collect import CollectLoop, default_collectors, family_name
from tocsin.collect.loop import next_tick_ms
from tocsin.errors import StorageError
from tocsin.model import Labels, MetricMetadata, MetricType, is_stale

START_MS = 1_700_000_000_000


class Store:
    """Takes batches, and lets a test wait for each."""

    def __init__(self):
        self.batches = asyncio.Queue()
        self.described = []
        self.failure = None

    async def append(self, batch):
        if self.failure:
            self.batches.put_nowait(None)
            raise StorageError(self.failure)
        self.batches.put_nowait(batch)

    def describe(self, metadata):
        self.described.append(dict(metadata))

    async def next(self):
        return await asyncio.wait_for(self.batches.get(), 20)

    async def values(self):
        """The next batch by metric name and the values of its own labels."""
        batch = await self.next()
        return {short(batch.series[i]): batch.values[j] for j, i in enumerate(batch.series_index)}


def short(labels):
    own = labels.drop(["__name__", "job", "instance"])
    return (labels.metric_name, *own.values())


class Fake:
    """A collector that gives what a test sets, or raises it, or hangs until it may go on."""

    def __init__(self, name="fake", **queues):
        self.name = name
        self.queues = queues or {"a": 1.0}
        self.error = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.calls = 0

    def collect(self):
        self.calls += 1
        self.may_answer.wait(30)
        if self.error:
            raise self.error
        family = GaugeMetricFamily(f"{self.name}_depth", "How deep.", labels=["queue"])
        for queue, value in self.queues.items():
            family.add_metric([queue], value)
        yield family


@asynccontextmanager
async def running(*collectors, interval_s=15, clock=None, store=None):
    clock, store = clock or ManualClock(START_MS), store or Store()
    loop = CollectLoop(store, collectors, interval_s=interval_s, instance="host:1", clock=clock)
    task = asyncio.create_task(loop.run())
    try:
        yield loop, store, clock, task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_round_at_once_and_one_at_each_tick():
    async with running(Fake()) as (_, store, clock, _):
        times = [(await store.next()).timestamps_ms[0]]
        for _ in range(3):
            await clock.advance(15)
            times.append((await store.next()).timestamps_ms[0])
    assert times == [START_MS, START_MS + 15_000, START_MS + 30_000, START_MS + 45_000]


async def test_labels_of_each_job():
    collectors = [Fake(name) for name in ("system", "process", "gpu", "my_module:Class")]
    async with running(*collectors) as (_, store, _, _):
        batch = await store.next()
    jobs = {labels.metric_name: labels["job"] for labels in batch.series}
    assert jobs["system_depth"] == "node"
    assert jobs["process_depth"] == "tocsin"
    assert jobs["gpu_depth"] == "gpu"
    assert jobs["my_module:Class_depth"] == "custom"
    assert jobs["tocsin_collector_up"] == "tocsin"
    assert {labels["instance"] for labels in batch.series} == {"host:1"}


async def test_values_and_own_metrics():
    async with running(Fake("one", a=1.5), Fake("two", b=2.5)) as (_, store, _, _):
        found = await store.values()
    assert found["one_depth", "a"] == 1.5
    assert found["two_depth", "b"] == 2.5
    assert found["tocsin_collector_up", "one"] == 1
    assert found["tocsin_collector_failures_total", "two"] == 0
    assert 0 <= found["tocsin_collector_duration_seconds", "two"] < 20


async def test_a_series_that_goes_away_ends_with_a_staleness_marker():
    fake = Fake(a=1.0, b=2.0)
    async with running(fake) as (_, store, clock, _):
        await store.next()
        fake.queues = {"a": 1.0}
        await clock.advance(15)
        second = await store.values()
        await clock.advance(15)
        third = await store.values()
    assert second["fake_depth", "a"] == 1
    assert is_stale(second["fake_depth", "b"])
    assert ("fake_depth", "b") not in third


async def test_every_series_ends_when_the_loop_is_cancelled():
    async with running(Fake()) as (_, store, _, task):
        first = await store.next()
        task.cancel()
        last = await store.next()
    assert set(last.series) == set(first.series)
    assert all(is_stale(value) for value in last.values)
    assert last.timestamps_ms[0] == START_MS + 1
    assert task.cancelled()


async def test_a_failing_collector_costs_its_own_metrics_alone(caplog):
    good, bad = Fake("good"), Fake("bad")
    async with running(good, bad) as (_, store, clock, _):
        await store.next()
        bad.error = ValueError("out of order")
        await clock.advance(15)
        second = await store.values()
        await clock.advance(15)
        third = await store.values()
        bad.error = None
        await clock.advance(15)
        fourth = await store.values()
    assert is_stale(second["bad_depth", "a"])
    assert second["good_depth", "a"] == 1
    assert second["tocsin_collector_up", "bad"] == 0
    assert third["tocsin_collector_failures_total", "bad"] == 2
    assert (fourth["tocsin_collector_up", "bad"], fourth["bad_depth", "a"]) == (1, 1)
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith("the collector bad fails: ValueError at test_loop.py:")
    assert lines[1] == "the collector bad works again"


async def test_a_value_that_is_no_number_costs_its_collector_alone():
    good, bad = Fake("good"), Fake("bad", a="three")
    async with running(good, bad) as (_, store, _, _):
        found = await store.values()
    assert found["tocsin_collector_up", "bad"] == 0
    assert found["good_depth", "a"] == 1


async def test_a_hanging_collector_is_left_alone_until_it_comes_back(caplog):
    good, stuck = Fake("good"), Fake("stuck")
    stuck.may_answer.clear()
    async with running(good, stuck, interval_s=0.2) as (_, store, clock, _):
        first = await store.values()
        await clock.advance(0.2)
        second = await store.values()
        assert stuck.calls == 1
        stuck.may_answer.set()
        assert await comes_back(store, clock)
    assert first["good_depth", "a"] == second["good_depth", "a"] == 1
    assert first["tocsin_collector_up", "stuck"] == second["tocsin_collector_up", "stuck"] == 0
    waited_s = [found["tocsin_collector_duration_seconds", "stuck"] for found in (first, second)]
    assert 0.2 <= waited_s[0] < waited_s[1]
    assert good.calls >= 3
    assert caplog.messages[0] == "the collector stuck fails: it gives no answer"


async def comes_back(store, clock):
    for _ in range(1000):
        await asyncio.sleep(0.01)
        await clock.advance(0.2)
        if (await store.values())["tocsin_collector_up", "stuck"]:
            return True
    return False


async def test_a_hanging_collector_does_not_hold_up_the_end():
    stuck = Fake("stuck")
    stuck.may_answer.clear()
    async with running(stuck, interval_s=0.05) as (_, store, _, task):
        await store.next()
        task.cancel()
        await asyncio.wait_for(asyncio.wait([task]), 10)
        assert task.done()
    stuck.may_answer.set()


async def test_metadata_is_told_once():
    fake = Fake()
    async with running(fake) as (_, store, clock, _):
        await store.next()
        await clock.advance(15)
        await store.next()
    (described,) = store.described
    assert described["fake_depth"] == MetricMetadata(MetricType.GAUGE, "How deep.")
    assert described["tocsin_collector_failures_total"].type == MetricType.COUNTER


async def test_families_are_those_of_the_last_round():
    async with running(Fake(a=4.0)) as (loop, store, _, _):
        await store.next()
        families = {family_name(family): family for family in loop.families()}
    assert families["fake_depth"].samples[0].value == 4
    assert set(families) == {
        "fake_depth",
        "tocsin_collector_up",
        "tocsin_collector_duration_seconds",
        "tocsin_collector_failures_total",
    }


async def test_a_store_that_fails_is_reported_once_and_loses_no_staleness_marker(caplog):
    fake = Fake(a=1.0, b=2.0)
    async with running(fake) as (_, store, clock, _):
        await store.next()
        store.failure = "the disk is full"
        fake.queues = {"a": 1.0}
        for _ in range(2):
            await clock.advance(15)
            await store.next()
        store.failure = None
        await clock.advance(15)
        found = await store.values()
    assert is_stale(found["fake_depth", "b"])
    assert [record.message for record in caplog.records] == ["a collection was not stored: the disk is full"]


async def test_labels_that_a_collector_sets_are_kept():
    class Honoured:
        name = "system"

        def collect(self):
            family = CounterMetricFamily("jobs", "Jobs.", labels=["job"])
            family.add_metric(["mine"], 1)
            return [family]

    async with running(Honoured()) as (_, store, _, _):
        batch = await store.next()
    assert Labels({"__name__": "jobs_total", "job": "mine", "instance": "host:1"}) in batch.series


async def test_the_collectors_of_this_machine_all_work():
    async with running(*default_collectors()) as (_, store, _, _):
        found = await store.values()
    for name in ("system", "process", "gpu"):
        assert found["tocsin_collector_up", name] == 1
    assert ("tocsin_gpu_devices",) in found
    assert found["node_memory_MemTotal_bytes",] > 0
    assert found["process_open_fds",] > 0


@pytest.mark.parametrize(
    ("due_ms", "now_ms", "expected_ms"),
    [
        (1000, 1000, 1500),
        (1000, 1499, 1500),
        (1000, 1500, 2000),
        (1000, 2700, 3000),
        (1000, 999, 1500),
        (900_000, 1000, 1500),
        (1000, 900_000, 900_500),
    ],
    ids=["at once", "just in time", "one missed", "some missed", "woken early", "set back", "set forward"],
)
def test_ticks_stand_on_a_grid(due_ms, now_ms, expected_ms):
    assert next_tick_ms(due_ms, now_ms, 500) == expected_ms


@pytest.mark.parametrize(("late_ms", "stamp_ms"), [(0, 0), (10, 0), (11, 11), (400, 400), (-5, -5)])
def test_a_tick_that_is_late_is_stamped_with_its_own_time(late_ms, stamp_ms):
    loop = CollectLoop(Store(), [], interval_s=15, instance="host:1", clock=ManualClock(START_MS + late_ms))
    assert loop._timestamp_ms(START_MS) == START_MS + stamp_ms


async def test_a_clock_that_is_set_back_stops_nothing():
    clock = ManualClock(START_MS)

    class SetsBack(Fake):
        def collect(self):
            if not self.calls:
                clock._now_ms -= 3_600_000
            return super().collect()

    async with running(SetsBack(), clock=clock) as (_, store, _, _):
        await store.next()
        await clock.advance(15)
        second = await store.next()
    assert second.timestamps_ms[0] == START_MS - 3_600_000 + 15_000


async def test_the_event_loop_goes_on_while_a_collector_blocks():
    class Blocks(Fake):
        def collect(self):
            time.sleep(0.3)
            return super().collect()

    turns = 0
    async with running(Blocks()) as (_, store, _, _):
        waiting = asyncio.create_task(store.next())
        while not waiting.done():
            await asyncio.sleep(0.01)
            turns += 1
    assert turns >= 3
