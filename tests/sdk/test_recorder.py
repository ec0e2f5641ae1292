from __future__ import annotations

import threading
import tracemalloc

from tests.sdk.tensors import Tensor
from tocsin.sdk import recorder as module
from tocsin.sdk.guard import Guard
from tocsin.sdk.recorder import INTAKE_LIMIT, OUTBOX_SAMPLES, Recorder
from tocsin.sdk.values import settle

S = 1_000_000_000
START_NS = 1_700_000_000 * S


def recorder_with(steps):
    recorder = Recorder(Guard("test"))
    recorder.intake.extend(steps)
    return recorder


def slow_steps(count, first=0):
    return [(START_NS + n * S, n, {"loss": float(n)}) for n in range(first, first + count)]


def test_rows_leave_in_order_and_come_back_in_order():
    recorder = recorder_with(slow_steps(10))
    recorder.drain(START_NS + 10 * S, is_end=True)
    first = recorder.take_rows(7)
    assert [number for _, number, _ in first] == [0, 1, 2, 3]
    recorder.give_back(first)
    assert [number for _, number, _ in recorder.take_rows(10**9)] == list(range(10))
    assert recorder.waiting == 0


def test_the_open_bucket_waits_until_its_time_is_over():
    recorder = recorder_with(slow_steps(1))
    recorder.drain(START_NS)
    assert recorder.waiting == 0
    recorder.drain(START_NS + S)
    assert recorder.waiting == 1


def test_the_oldest_are_dropped_and_counted_when_nobody_takes_them():
    recorder = recorder_with(slow_steps(OUTBOX_SAMPLES))
    recorder.drain(START_NS, is_end=True)
    assert recorder.waiting == OUTBOX_SAMPLES // 2
    assert recorder.dropped == OUTBOX_SAMPLES // 2
    assert recorder.take_rows(1)[0][1] == OUTBOX_SAMPLES // 2


def test_rows_given_back_to_a_full_outbox_are_the_ones_to_go():
    recorder = recorder_with(slow_steps(OUTBOX_SAMPLES // 2))
    recorder.drain(START_NS, is_end=True)
    taken = recorder.take_rows(20)
    recorder.intake.extend(slow_steps(5, first=OUTBOX_SAMPLES))
    recorder.drain(START_NS, is_end=True)
    recorder.give_back(taken)
    assert recorder.dropped == 5
    assert recorder.take_rows(1)[0][1] == 5


def test_a_million_steps_without_a_sender_stay_in_bounded_memory():
    recorder = Recorder(Guard("test"))
    tracemalloc.start()
    for n in range(300_000):
        recorder.intake.append((START_NS + n * 1000, n, {"loss": n * 0.5, "lr": n * 0.1}))
        if len(recorder.intake) >= INTAKE_LIMIT:
            recorder.relieve()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000
    assert recorder.dropped == 0


def test_while_another_thread_thins_steps_do_not_wait(monkeypatch):
    monkeypatch.setattr(module, "_INTAKE_MOST", 10)
    is_read, go_on = threading.Event(), threading.Event()

    class Slow(Tensor):
        def __float__(self):
            is_read.set()
            go_on.wait(10)
            return 1.0

    guard = Guard("test")
    recorder = Recorder(guard)
    recorder.holds_deferred = True
    deferred = settle({"loss": Slow(1.0)}, guard)
    deferred["loss"].tensor = Slow(1.0)
    recorder.intake.append((START_NS, 1, deferred))
    drainer = threading.Thread(target=recorder.drain, args=(START_NS,))
    drainer.start()
    assert is_read.wait(10)
    for step in slow_steps(15, first=2):
        recorder.intake.append(step)
        recorder.relieve()
    go_on.set()
    drainer.join()
    assert len(recorder.intake) == 10
    assert recorder.dropped == 5


def test_the_newest_values_include_those_of_the_open_bucket():
    recorder = recorder_with(
        [(START_NS, 1, {"loss": 1.0, "accuracy": 0.5}), (START_NS + S, 2, {"loss": 0.5})]
    )
    assert recorder.newest() == (2, {"loss": 0.5, "accuracy": 0.5})


def test_the_pace_counts_steps_that_are_thinned_away():
    recorder = recorder_with([(START_NS + n * 1_000_000, n, {"loss": 1.0}) for n in range(101)])
    recorder.drain(START_NS)
    recorder.intake.append((START_NS + S, 1001, {}))
    recorder.drain(START_NS + S)
    pace = {reading.name: reading.value for reading in recorder.progress(START_NS + S)}
    assert pace == {"training_steps_per_second": 1 / 0.9}
