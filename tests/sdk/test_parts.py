from __future__ import annotations

import pytest

from tocsin.sdk import parts as module
from tocsin.sdk.guard import Guard
from tocsin.sdk.parts import MOST_PARTS, Parts


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


def spent(parts):
    return parts.seconds()


def test_the_seconds_of_blocks_add_up(clock):
    parts = Parts(Guard("test"))
    for _ in range(3):
        with parts["forward_backward"]:
            clock.now_s += 2
            with parts["optimizer"]:
                clock.now_s += 0.5
    assert spent(parts) == {"forward_backward": 7.5, "optimizer": 1.5}


def test_a_block_that_raises_counts_and_raises(clock):
    parts = Parts(Guard("test"))
    with pytest.raises(ZeroDivisionError), parts["data"]:
        clock.now_s = 1 + 1 // 0
    assert spent(parts) == {"data": 0}


def test_the_wait_for_batches_counts_and_the_work_on_them_does_not(clock):
    def load():
        for batch in "abc":
            clock.now_s += 0.25
            yield batch

    parts, seen = Parts(Guard("test")), []
    for batch in parts.batches(load()):
        seen.append(batch)
        clock.now_s += 10
    assert seen == ["a", "b", "c"]
    assert spent(parts) == {"data": 0.75}


def test_batches_are_as_long_as_their_source_and_can_be_gone_through_again(clock):
    batches = Parts(Guard("test")).batches([1, 2, 3])
    assert len(batches) == 3
    assert list(batches) == list(batches) == [1, 2, 3]
    with pytest.raises(TypeError):
        len(Parts(Guard("test")).batches(iter([])))


def test_a_fault_of_the_source_is_the_users():
    def load():
        yield 1
        raise ConnectionError("disk")

    with pytest.raises(ConnectionError, match="disk"):
        list(Parts(Guard("test")).batches(load()))


def test_names_made_up_at_each_step_are_bounded(caplog):
    parts = Parts(Guard("test"))
    for n in range(100):
        parts.add(f"step {n}", 1)
    assert len(spent(parts)) == MOST_PARTS
    assert caplog.text.count("parts of a step") == 1


def test_the_share_of_a_part_is_that_of_the_newest_seconds():
    def said(at_s):
        readings = parts.readings(int(at_s * 1e9))
        return [reading.value for reading in readings if reading.name == "training_part_ratio"]

    parts = Parts(Guard("test"))
    parts.add("data", 5.0)
    assert said(0) == [0]
    for second in range(1, 20):
        parts.add("data", 0.25)
        assert said(second) == [pytest.approx(0.25)]
    assert said(40) == [0]
