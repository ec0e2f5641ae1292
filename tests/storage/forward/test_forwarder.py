"""Samples are forwarded in order, again until they are taken, and counted when they are given up."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from prometheus_client import CollectorRegistry

from tocsin.errors import StorageError
from tocsin.model import Labels, SampleBatch
from tocsin.receive import decode_write_request, encode_write_request
from tocsin.storage.forward import Forwarder, ForwardingStorage, ForwardMetrics, Pace, Route, inner_of
from tocsin.storage.forward.routing import Router, shard_of
from tocsin.storage.head import Head
from tocsin.storage.remote.sender import RefusedError, UnreachableError

NOW_MS = 1_700_000_000_000


class RealClock:
    """Real waits, so that threads and files keep up, with a time that stands still."""

    def now_ms(self):
        return NOW_MS

    async def sleep(self, duration_s):
        await asyncio.sleep(min(duration_s, 0.005))


class Engine:
    """Takes requests unless it is down; what is refused is refused whole."""

    def __init__(self):
        self.is_down = False
        self.refuses = lambda batch: False
        self.requests = []
        self.closed = False

    async def send(self, body):
        await asyncio.sleep(0)
        if self.is_down:
            raise UnreachableError("cannot reach http://engine: refused")
        batch = decode_write_request(body).batch
        if self.refuses(batch):
            raise RefusedError("http://engine did not take samples (HTTP status 400): out of order sample")
        self.requests.append(batch)

    async def close(self):
        self.closed = True

    @property
    def samples(self):
        """Values by series, in the order in which they came."""
        found = defaultdict(list)
        for batch in self.requests:
            for index, value in zip(batch.series_index, batch.values, strict=True):
                found[str(batch.series[index])].append(float(value))
        return dict(found)


def labels(**pairs):
    return Labels({"__name__": "m", **pairs})


def made(folder, engine, *, relabel=lambda labels: labels, shards=4, clock=None, **pace):
    route = Route("there", relabel, shards, 1 << 30, Pace(deadline_s=0.001, **pace))
    return Forwarder(route, folder, engine, encode_write_request, clock or RealClock())


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


async def put_all(forwarder, count, series=10):
    for number in range(count):
        values = {labels(x=str(each)): float(number) for each in range(series)}
        await forwarder.put(SampleBatch.at(NOW_MS + number, values))


async def ended(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def wanted(count, series=10):
    return {str(labels(x=str(each))): [float(n) for n in range(count)] for each in range(series)}


async def test_everything_arrives_in_order(tmp_path):
    engine = Engine()
    forwarder = made(tmp_path, engine, max_samples=7)
    task = asyncio.create_task(forwarder.run())
    await put_all(forwarder, 30)
    await until(lambda: forwarder.waiting_samples == 0)
    await ended(task)
    assert engine.samples == wanted(30)
    assert forwarder.counts["sent"] == 300
    await forwarder.close()
    assert engine.closed


async def test_an_outage_and_a_restart_lose_nothing(tmp_path):
    engine = Engine()
    engine.is_down = True
    first = made(tmp_path, engine)
    task = asyncio.create_task(first.run())
    await put_all(first, 20)
    await until(lambda: first.counts["retries"] > 3)
    await ended(task)
    await first.close()
    assert not engine.requests
    second = made(tmp_path, engine)
    assert second.waiting_samples == 200
    task = asyncio.create_task(second.run())
    await asyncio.sleep(0.02)
    engine.is_down = False
    await until(lambda: second.waiting_samples == 0)
    await ended(task)
    await second.close()
    assert engine.samples == wanted(20)


@pytest.mark.parametrize("shards", [1, 9])
async def test_another_number_of_shards_keeps_the_order(tmp_path, shards):
    engine = Engine()
    first = made(tmp_path, engine, shards=4)
    await put_all(first, 10)
    await first.close()
    second = made(tmp_path, engine, shards=shards)
    for number in range(10, 20):
        values = {labels(x=str(each)): float(number) for each in range(10)}
        await second.put(SampleBatch.at(NOW_MS + number, values))
    assert second.waiting_samples == 200
    task = asyncio.create_task(second.run())
    await until(lambda: second.waiting_samples == 0)
    await ended(task)
    await second.close()
    assert engine.samples == wanted(20)
    assert [path.name for path in tmp_path.iterdir()] == [str(shards)]


async def test_what_is_refused_is_dropped_alone(tmp_path):
    engine = Engine()
    engine.refuses = lambda batch: 3.0 in batch.values
    forwarder = made(tmp_path, engine, shards=1)
    await put_all(forwarder, 6, series=2)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: forwarder.waiting_samples == 0)
    await ended(task)
    assert engine.samples == {name: [0.0, 1.0, 2.0, 4.0, 5.0] for name in wanted(1, 2)}
    assert forwarder.dropped() == {"refused": 2, "too_old": 0, "queue_full": 0}
    await forwarder.close()


async def test_a_disk_that_cannot_be_read_for_a_while(tmp_path, monkeypatch):
    engine = Engine()
    forwarder = made(tmp_path, engine, shards=1)
    await put_all(forwarder, 3)
    queue = forwarder._shards[0].queue
    read, failures = queue.read, [StorageError("cannot use the queue: input/output error")] * 3

    def failing(max_samples):
        if failures:
            raise failures.pop()
        return read(max_samples)

    monkeypatch.setattr(queue, "read", failing)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: forwarder.waiting_samples == 0)
    await ended(task)
    assert engine.samples == wanted(3)
    await forwarder.close()


async def test_what_is_too_old_is_dropped(tmp_path):
    engine = Engine()
    forwarder = made(tmp_path, engine, shards=1, max_age_ms=60_000)
    await forwarder.put(SampleBatch.at(NOW_MS - 60_001, {labels(): 1.0}))
    await forwarder.put(SampleBatch.at(NOW_MS - 59_999, {labels(): 2.0}))
    task = asyncio.create_task(forwarder.run())
    await until(lambda: forwarder.waiting_samples == 0)
    await ended(task)
    assert engine.samples == {str(labels()): [2.0]}
    assert forwarder.dropped()["too_old"] == 1
    await forwarder.close()


async def test_series_are_relabelled_or_left_out(tmp_path):
    engine = Engine()

    def relabel(labels):
        return None if labels["x"] == "1" else labels.set(site="berlin")

    forwarder = made(tmp_path, engine, relabel=relabel)
    task = asyncio.create_task(forwarder.run())
    await put_all(forwarder, 2, series=3)
    await until(lambda: forwarder.waiting_samples == 0)
    await ended(task)
    await forwarder.close()
    assert engine.samples.keys() == {str(labels(x=x, site="berlin")) for x in "02"}


async def test_concurrent_batches_share_the_wait_for_the_disk(tmp_path):
    engine = Engine()
    forwarder = made(tmp_path, engine)
    batches = [SampleBatch.at(NOW_MS, {labels(x=str(n)): 1.0}) for n in range(100)]
    await asyncio.gather(*map(forwarder.put, batches))
    assert forwarder.waiting_samples == 100
    await forwarder.close()


class Inner(Head):
    """A store that fails when told to."""

    fails = False

    async def append(self, batch):
        if self.fails:
            raise StorageError("no")
        self.append_batch(batch)

    async def close(self):
        self.closed = True


async def test_the_store_comes_first(tmp_path):
    engine, inner = Engine(), Inner()
    forwarder = made(tmp_path, engine)
    storage = ForwardingStorage(inner, [forwarder])
    batch = SampleBatch.at(NOW_MS, {labels(): 1.0})
    inner.fails = True
    with pytest.raises(StorageError):
        await storage.append(batch)
    assert forwarder.waiting_samples == 0
    inner.fails = False
    await storage.append(batch)
    assert storage.series((), NOW_MS, NOW_MS) == [labels()]
    assert len(storage.select((), NOW_MS, NOW_MS)) == 1
    assert forwarder.waiting_samples == 1
    assert inner_of(storage) is inner
    task = asyncio.create_task(storage.forward())
    await until(lambda: forwarder.waiting_samples == 0)
    await ended(task)
    await storage.close()
    assert inner.closed
    assert engine.closed


async def test_a_queue_that_fails_does_not_make_the_batch_fail(tmp_path, monkeypatch, caplog):
    forwarder = made(tmp_path, Engine())
    storage = ForwardingStorage(Inner(), [forwarder])

    def full(_records):
        raise StorageError("cannot use the queue: No space left on device")

    for shard in forwarder._shards:
        monkeypatch.setattr(shard.queue, "append", full)
    await storage.append(SampleBatch.at(NOW_MS, {labels(): 1.0}))
    assert forwarder.dropped()["not_queued"] == 1
    assert 'remote_write "there": samples are dropped: cannot use the queue' in caplog.text
    registry = CollectorRegistry()
    registry.register(ForwardMetrics([forwarder]))
    reasons = {"name": "there", "reason": "not_queued"}
    assert registry.get_sample_value("tocsin_remote_write_samples_dropped_total", reasons) == 1
    assert registry.get_sample_value("tocsin_remote_write_samples_pending", {"name": "there"}) == 0
    await storage.close()


def test_a_series_has_one_shard_wherever_it_comes():
    router = Router(lambda labels: labels, 5)
    batch = SampleBatch.at(1, {labels(x=str(n)): float(n) for n in range(100)})
    parts = router.split(batch)
    assert set(parts) == set(range(5))
    assert sum(map(len, parts.values())) == 100
    for shard, part in parts.items():
        assert {shard_of(each, 5) for each in part.series} == {shard}
        assert [float(each["x"]) for each in part.series] == part.values.tolist()
