from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import socket
import threading
import time

import numpy as np
import pytest

from tests.sdk.receiver import Receiver, wait_until
from tests.sdk.tensors import Tensor
from tests.support.ports import free_port
from tocsin.runtime import announce
from tocsin.sdk import TrainingMonitor
from tocsin.sdk.training import CLOSE_WITHIN_S


@pytest.fixture(autouse=True)
def warnings_are_captured(caplog):
    caplog.set_level(logging.WARNING, logger="tocsin")


def test_every_step_arrives_with_its_time_and_its_labels(receiver, caplog):
    before_ms = time.time_ns() // 1_000_000
    with TrainingMonitor("digits", total_steps=5, url=receiver.url, labels={"team": "vision"}) as run:
        for n in range(5):
            run.step(loss=1 / (n + 1), lr=np.float32(0.5), accuracy=n)
            time.sleep(0.01)
    assert receiver.values("training_loss") == [1 / (n + 1) for n in range(5)]
    assert receiver.values("training_learning_rate") == [0.5] * 5
    assert receiver.values("training_step") == [1, 2, 3, 4, 5]
    times = [sample.time_ms for sample in receiver.of("training_loss")]
    assert times == sorted(set(times))
    assert before_ms <= times[0] <= times[-1] <= time.time_ns() // 1_000_000
    assert times == [sample.time_ms for sample in receiver.of("training_step")]
    host = socket.gethostname()
    assert {sample.labels for sample in receiver.samples if "check=" not in sample.labels} == {
        f'instance="{host}",job="training",run="digits",team="vision"'
    }
    assert not caplog.records


def test_the_run_tells_about_itself(receiver):
    with TrainingMonitor("digits", total_steps=500, url=receiver.url) as run:
        for _ in range(30):
            run.step()
            time.sleep(0.02)
        wait_until(lambda: receiver.values("training_status") == [1])
    assert receiver.values("training_status")[-1] == 2
    assert receiver.values("training_total_steps")[-1] == 500
    assert receiver.values("training_steps_dropped_total")[-1] == 0
    assert 0 < receiver.values("training_steps_per_second")[-1] < 51
    assert abs(receiver.values("training_start_time_seconds")[-1] - time.time()) < 60


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_exception_marks_the_run_as_failed_and_is_the_same_outside(receiver, kind):
    fault = kind("mine")

    def train():
        with TrainingMonitor("digits", url=receiver.url) as run:
            run.step(loss=1.0)
            raise fault

    with pytest.raises(kind) as caught:
        train()
    assert caught.value is fault
    assert receiver.values("training_status") == [3]
    assert receiver.values("training_loss") == [1]


async def test_it_is_an_asynchronous_context_as_well(receiver):
    async with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
    assert receiver.values("training_status") == [2]
    with pytest.raises(ValueError, match="mine"):
        async with TrainingMonitor("digits", url=receiver.url):
            raise ValueError("mine")
    assert receiver.values("training_status") == [2, 3]


async def test_an_event_loop_does_not_wait_for_a_server_that_hangs(receiver):
    receiver.holding.set()
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
    ticking.cancel()
    assert ticks > 10


def test_steps_have_the_numbers_they_are_given(receiver, caplog):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for number in (None, 100, None, np.int64(7), Tensor(9.0), "ten", None):
            run.step(number)
    assert receiver.values("training_step") == [1, 100, 101, 7, 8, 9, 10]
    assert len(caplog.records) == 1


def test_numbers_that_are_no_numbers_arrive(receiver):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for loss in (math.nan, math.inf, -math.inf, 1e308):
            run.step(loss=loss)
    values = receiver.values("training_loss")
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, 1e308]


def test_wrong_values_and_names_are_told_once_and_the_rest_arrives(receiver, caplog):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for _ in range(3):
            run.step(
                loss=0.5,
                note="good",
                nothing=None,
                big=10**400,
                status=3,
                **{"": 1.0, "val/loss": 0.25, "self": 4.0},
            )
    assert receiver.values("training_loss") == [0.5] * 3
    assert receiver.values("training_val_loss") == [0.25] * 3
    assert receiver.values("training_self") == [4.0] * 3
    assert receiver.values("training_status") == [2]
    told = sorted(re.search(r'"(\w*)" (?:of|is|has)', record.getMessage())[1] for record in caplog.records)
    assert told == ["", "big", "note", "nothing", "status"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"total_steps": "many"}, "total_steps is not a number"),
        ({"labels": {"a b": "c"}}, "label name 'a b'"),
        ({"labels": 3}, "labels are left out"),
        ({"url": "localhost:1"}, 'cannot send to "localhost:1"'),
        ({"port": "http"}, "/metrics cannot be served on port http"),
        ({"port": 70_000}, "/metrics cannot be served on port 70000"),
    ],
)
def test_wrong_arguments_are_told_once_and_the_training_goes_on(caplog, arguments, words):
    with TrainingMonitor("digits", **arguments) as run:
        run.step(loss=0.5)
    (record,) = caplog.records
    assert words in record.getMessage()


def test_a_server_that_starts_after_the_training_gets_what_was_before(monkeypatch):
    monkeypatch.setattr("tocsin.sdk.discovery.LOOK_EVERY_S", 0.1)
    with TrainingMonitor("digits") as run:
        run.step(loss=0.5)
        time.sleep(0.4)
        receiver = Receiver()
        announce("servers", f"{os.getpid()}.json", {"pid": os.getpid(), "url": receiver.url})
        wait_until(lambda: receiver.values("training_loss") == [0.5])
        run.step(loss=0.25)
    assert receiver.values("training_loss") == [0.5, 0.25]
    receiver.close()


def test_a_server_that_restarts_misses_nothing(caplog):
    first = Receiver()
    with TrainingMonitor("digits", url=first.url) as run:
        run.step(loss=3.0)
        wait_until(lambda: first.values("training_loss"))
        first.close()
        run.step(loss=2.0)
        wait_until(lambda: caplog.records)
        second = Receiver(first.port)
        run.step(loss=1.0)
        wait_until(lambda: second.values("training_loss") == [2.0, 1.0])
    assert second.values("training_steps_dropped_total")[-1] == 0
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        f'training "digits": cannot reach {first.url}'
    ]
    second.close()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_gets_the_steps_later(receiver, status, caplog):
    receiver.status = status
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
        wait_until(lambda: len(receiver.requests) >= 2)
        receiver.status = 204
        wait_until(lambda: receiver.values("training_loss") == [1.0])
    assert len(caplog.records) == 1
    assert f"answers {status}" in caplog.text


@pytest.mark.parametrize("status", [400, 302, 404])
def test_what_a_server_refuses_for_good_is_dropped_and_counted(receiver, status, caplog):
    receiver.status, receiver.answer = status, b"not like this"
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
        wait_until(lambda: receiver.requests)
        time.sleep(0.05)
        receiver.status = 204
        run.step(loss=2.0)
    assert receiver.values("training_loss") == [2.0]
    assert receiver.values("training_steps_dropped_total")[-1] == 1
    assert len(caplog.records) == 1
    assert f"{status} not like this" in caplog.text


def test_a_dead_server_does_not_hold_up_the_end(caplog):
    start_s = time.monotonic()
    with TrainingMonitor("digits", url=f"http://127.0.0.1:{free_port()}") as run:
        run.step(loss=1.0)
    assert time.monotonic() - start_s < CLOSE_WITHIN_S
    assert "1 steps could not be sent" in caplog.text


def test_a_hanging_server_holds_up_neither_steps_nor_the_end_for_long(receiver, caplog):
    receiver.holding.set()
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
        wait_until(lambda: receiver.requests)
        start_s = time.monotonic()
        for _ in range(10_000):
            run.step(loss=1.0)
        assert time.monotonic() - start_s < 2
        start_s = time.monotonic()
    assert time.monotonic() - start_s < CLOSE_WITHIN_S + 1
    assert "could not be sent" in caplog.text


def test_a_slow_server_gets_everything(receiver):
    with TrainingMonitor("digits", url=receiver.url) as run:
        receiver.holding.set()
        threading.Timer(0.8, receiver.holding.clear).start()
        for _ in range(20):
            run.step(loss=1.0)
            time.sleep(0.05)
    assert len(receiver.values("training_loss")) == 20


def test_without_a_server_nothing_is_said(caplog):
    with TrainingMonitor("digits") as run:
        run.step(loss=1.0)
    assert not caplog.records


def test_steps_of_many_threads_all_count(receiver):
    def work():
        for _ in range(500):
            run.step(loss=1.0)

    with TrainingMonitor("digits", url=receiver.url) as run:
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert receiver.values("training_step")[-1] > 9_900
    assert run._progress.taken == 10_000
    assert receiver.values("training_steps_dropped_total")[-1] == 0


def test_a_fast_training_keeps_its_spikes(receiver):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for n in range(50_000):
            run.step(loss=1.0 if n != 33_333 else 77.0, lr=0.1 if n != 44_444 else math.nan)
    assert len(receiver.values("training_loss")) < 1000
    assert 77.0 in receiver.values("training_loss")
    assert any(math.isnan(value) for value in receiver.values("training_learning_rate"))
    steps = {sample.time_ms: sample.value for sample in receiver.of("training_step")}
    (spike,) = (sample for sample in receiver.of("training_loss") if sample.value == 77.0)
    assert steps[spike.time_ms] == 33_334


def test_steps_outside_the_block_are_told_once(receiver, caplog):
    run = TrainingMonitor("digits", url=receiver.url)
    run.step(loss=1.0)
    with run:
        run.step(loss=2.0)
    run.step(loss=3.0)
    assert receiver.values("training_loss") == [2.0]
    assert len(caplog.records) == 1


def test_a_monitor_can_be_entered_again_after_its_end(receiver):
    run = TrainingMonitor("digits", url=receiver.url)
    for loss in (1.0, 2.0):
        with run:
            run.step(loss=loss)
    assert receiver.values("training_loss") == [1.0, 2.0]
    assert receiver.values("training_status") == [2, 2]


def test_tensors_are_read_by_the_sender(receiver):
    tensor = Tensor(0.5)
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=tensor, lr=0.1)
    assert receiver.values("training_loss") == [0.5]
    assert set(tensor.read_in) == {"tocsin-sender"}
