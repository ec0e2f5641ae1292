"""What is appended goes out in order, together, again when it must, and never silently nowhere."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import ManualClock
from tests.support.stores import DictStore
from tocsin.errors import StorageError
from tocsin.model import Labels, MetricMetadata, SampleBatch
from tocsin.receive import decode_write_request, encode_write_request
from tocsin.storage.remote import writer as writer_module
from tocsin.storage.remote.batches import cut_batch, join_batches
from tocsin.storage.remote.sender import RefusedError, UnreachableError
from tocsin.storage.remote.writer import RemoteWriter

A, B = Labels({"__name__": "a"}), Labels({"__name__": "b"})


class Engine:
    """Takes requests, or fails as it is told to; ``answers`` are used up first."""

    address = "http://engine"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.attempts = 0
        self.taken = []
        self.metadata = []
        self.refuses = lambda batch: False
        self.closed = False

    async def send(self, body):
        self.attempts += 1
        received = decode_write_request(body)
        if self.answers and (answer := self.answers.pop(0)):
            raise answer
        if self.refuses(received.batch):
            raise RefusedError("http://engine did not take samples (HTTP status 400): out of order sample")
        self.taken.append(rows(received.batch))
        self.metadata.append(dict(received.metadata))

    async def close(self):
        self.closed = True


def rows(batch):
    return [
        (str(batch.series[index]), int(time_ms), float(value))
        for index, time_ms, value in zip(batch.series_index, batch.timestamps_ms, batch.values, strict=True)
    ]


def made(engine, clock=None, patience_s=30.0):
    return RemoteWriter(engine, encode_write_request, clock or ManualClock(), patience_s)


async def advance(clock, seconds, steps):
    """Let time pass while encoding happens in threads."""
    for _ in range(steps):
        await clock.advance(seconds)
        await asyncio.sleep(0.01)


async def test_batches_that_come_together_go_together():
    engine = Engine()
    writer = made(engine)
    await asyncio.gather(*(writer.append(SampleBatch.at(n, {A: n})) for n in range(5)))
    assert engine.taken == [[("a", n, float(n)) for n in range(5)]]
    assert writer.waiting_samples == 0


async def test_nothing_is_sent_for_nothing():
    engine = Engine()
    await made(engine).append(SampleBatch.at(0, {}))
    assert engine.attempts == 0


async def test_what_is_busy_is_asked_again():
    clock = ManualClock()
    engine = Engine(UnreachableError("busy"), UnreachableError("busy"), None)
    writer = made(engine, clock)
    task = asyncio.create_task(writer.append(SampleBatch.at(1, {A: 1.0})))
    await advance(clock, 1, 5)
    await task
    assert engine.attempts == 3
    assert engine.taken == [[("a", 1, 1.0)]]


async def test_patience_ends_and_a_later_write_succeeds():
    clock = ManualClock()
    engine = Engine(*[UnreachableError("cannot reach http://engine: refused")] * 1000)
    writer = made(engine, clock, patience_s=10)
    task = asyncio.create_task(writer.append(SampleBatch.at(1, {A: 1.0})))
    await advance(clock, 1, 25)
    with pytest.raises(StorageError, match=r"^cannot reach http://engine: refused$"):
        await task
    assert 4 <= engine.attempts <= 12, "the delays grow to 5 s"
    engine.answers.clear()
    task = asyncio.create_task(writer.append(SampleBatch.at(2, {A: 2.0})))
    await advance(clock, 1, 10)
    await task
    assert engine.taken == [[("a", 2, 2.0)]]


async def test_the_engine_says_how_long_to_wait():
    clock = ManualClock()
    engine = Engine(UnreachableError("busy", after_s=3.0))
    task = asyncio.create_task(made(engine, clock).append(SampleBatch.at(1, {A: 1.0})))
    await advance(clock, 0.5, 5)
    assert engine.attempts == 1
    await advance(clock, 0.5, 5)
    await task
    assert engine.attempts == 2


async def test_one_that_is_refused_harms_no_other():
    engine = Engine()
    engine.refuses = lambda batch: 13.0 in batch.values
    writer = made(engine)
    outcomes = await asyncio.gather(
        *(writer.append(SampleBatch.at(int(n), {A: n})) for n in (1.0, 13.0, 14.0)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), RefusedError, type(None)]
    assert engine.taken == [[("a", 1, 1.0)], [("a", 14, 14.0)]]


async def test_one_who_is_not_let_in_is_told_once():
    denied = RefusedError("http://engine did not take samples (HTTP status 401)", blames_samples=False)
    engine = Engine(denied)
    writer = made(engine)
    outcomes = await asyncio.gather(
        *(writer.append(SampleBatch.at(n, {A: n})) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StorageError] * 3
    assert engine.attempts == 1


async def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(writer_module, "MAX_WAITING_SAMPLES", 3)
    clock = ManualClock()
    engine = Engine(UnreachableError("busy"))
    writer = made(engine, clock)
    first = asyncio.create_task(writer.append(SampleBatch.at(1, {A: 1.0, B: 1.0})))
    await asyncio.sleep(0.05)
    with pytest.raises(StorageError, match=r"^2 samples wait for http://engine already \(allowed are 3\)$"):
        await writer.append(SampleBatch.at(2, {A: 1.0, B: 1.0}))
    await advance(clock, 1, 5)
    await first


async def test_a_caller_who_leaves_takes_the_batch_along():
    clock = ManualClock()
    engine = Engine(UnreachableError("busy"))
    writer = made(engine, clock)
    gone = asyncio.create_task(writer.append(SampleBatch.at(1, {A: 1.0})))
    stays = asyncio.create_task(writer.append(SampleBatch.at(2, {B: 2.0})))
    await asyncio.sleep(0.05)
    gone.cancel()
    await advance(clock, 1, 5)
    await stays
    assert engine.taken == [[("b", 2, 2.0)]]


async def test_large_batches_are_cut(monkeypatch):
    monkeypatch.setattr(writer_module, "MAX_REQUEST_SAMPLES", 3)
    engine = Engine()
    await made(engine).append(SampleBatch.from_samples([(A, n, float(n)) for n in range(7)]))
    assert [len(taken) for taken in engine.taken] == [3, 3, 1]
    assert [row for taken in engine.taken for row in taken] == [("a", n, float(n)) for n in range(7)]


async def test_metadata_goes_along_until_it_has_arrived():
    clock = ManualClock()
    engine = Engine(UnreachableError("busy"))
    writer = made(engine, clock)
    writer.describe({"a": MetricMetadata(help="What it is.")})
    task = asyncio.create_task(writer.append(SampleBatch.at(1, {A: 1.0})))
    await advance(clock, 1, 5)
    await task
    await writer.append(SampleBatch.at(2, {A: 1.0}))
    assert [list(metadata) for metadata in engine.metadata] == [["a"], []]


async def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(StorageError, match=r"^samples cannot be written as remote write: "):
        await made(Engine()).append(SampleBatch.at(1, {Labels({"__name__": "a", "b": "\ud800"}): 1.0}))


async def test_closing_sends_what_waits():
    engine = Engine()
    writer = made(engine)
    task = asyncio.create_task(writer.append(SampleBatch.at(1, {A: 1.0})))
    await asyncio.sleep(0)
    await writer.close()
    await task
    assert engine.closed
    assert len(engine.taken) == 1


batches = st.lists(
    st.lists(
        st.tuples(st.sampled_from([A, B]), st.integers(0, 9), st.integers(0, 99).map(float)), min_size=1
    ).map(SampleBatch.from_samples),
    min_size=1,
)


@given(batches, st.integers(1, 7))
def test_joining_and_cutting_keeps_the_last_of_each(batches, size):
    one_by_one, cut = DictStore(), DictStore()
    for batch in batches:
        one_by_one.append_batch(batch)
    pieces = list(cut_batch(join_batches(batches), size))
    for piece in pieces:
        assert 0 < len(piece) <= size
        assert set(piece.series_index.tolist()) == set(range(len(piece.series)))
        cut.append_batch(piece)
    assert cut.select((), 0, 9) == one_by_one.select((), 0, 9)
    for series in (A, B):
        times = [time_ms for piece in pieces for name, time_ms, _ in rows(piece) if name == str(series)]
        assert (np.diff(times) > 0).all()
