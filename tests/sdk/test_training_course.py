"""The monitor's words beside the steps: validations, checkpoints, parts, ranks, and what is known now."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.sdk.receiver import wait_until
from tests.sdk.tensors import Tensor
from tocsin.sdk import TrainingMonitor

S = 1_000_000_000


@pytest.fixture(autouse=True)
def lines_are_captured(caplog):
    caplog.set_level(logging.INFO, logger="tocsin")


def test_the_result_of_a_validation_stands_at_its_step(receiver, caplog):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for _ in range(3):
            run.step(loss=1.0)
        run.evaluate(loss=0.5, accuracy=Tensor(0.75))
        run.step(loss=0.9)
        run.evaluate(2, val_f1=0.25)
    assert receiver.values("training_val_loss") == [0.5]
    assert receiver.values("training_val_accuracy") == [0.75]
    assert receiver.values("training_val_f1") == [0.25]
    assert receiver.values("training_step") == [1, 2, 3, 3, 4, 2]
    assert receiver.values("training_loss") == [1.0, 1.0, 1.0, 0.9]
    assert not caplog.records


def test_what_is_no_result_is_told_and_left_out(receiver, caplog):
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
        run.evaluate(loss="low", accuracy=0.5)
    run.evaluate(loss=0.5)
    assert receiver.values("training_val_loss") == []
    assert receiver.values("training_val_accuracy") == [0.5]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_validation_is_no_stall(receiver, caplog, monkeypatch):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for _ in range(10):
            run.step(loss=1.0)
        with run.validation(), run.validation():
            wait_until(lambda: receiver.values("training_validating") == [1])
            hour_later_ns = run._recorder._progress._last_ns + 3600 * S
            assert run._recorder.verdicts(hour_later_ns) == []
        stalled = run._recorder.verdicts(hour_later_ns + 3600 * S)
        assert [verdict.check for verdict in stalled] == ["stall"]
    assert receiver.values("training_validating")[-1] == 0
    parts = {sample.labels: sample.value for sample in receiver.of("training_part_seconds_total")}
    (labels,) = parts
    assert 'part="validation"' in labels
    assert parts[labels] > 0


def test_a_fault_inside_a_validation_is_the_users(receiver):
    with TrainingMonitor("digits", url=receiver.url) as run:
        with pytest.raises(ValueError, match="mine"), run.validation():
            raise ValueError("mine")
        assert not run._validation.is_under_way


def test_a_validation_waits_for_nobody_for_long(receiver, caplog, monkeypatch):
    monkeypatch.setattr("tocsin.sdk.recorder._PATIENCE_S", 0.01)
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
        with run._recorder._lock:  # as if a signal handler interrupted the one that holds it
            with run.validation():
                pass
            run.evaluate(loss=0.5)
    assert "the time of a validation counts as that of a step" in caplog.text
    assert "the result of a validation is left out" in caplog.text


def test_parts_of_a_step_are_counted(receiver):
    with TrainingMonitor("digits", url=receiver.url) as run:
        for batch in run.batches([1, 2, 3]):
            with run.part("forward_backward"):
                loss = float(batch)
            with run.part("optimizer"):
                run.step(loss=loss)
    names = {sample.labels.partition('part="')[2].partition('"')[0] for sample in receiver.samples}
    assert names == {"", "data", "forward_backward", "optimizer"}


def test_a_checkpoint_is_an_event_and_a_series(receiver, caplog, tmp_path):
    path = tmp_path / "last.pt"
    path.write_bytes(b"x" * 64)
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(41, loss=1.0)
        run.checkpoint(path)
    (record,) = caplog.records
    assert (record.event, record.levelname) == ("training_checkpoint_saved", "INFO")
    assert record.data == {"run": "digits", "step": 41, "path": str(path), "size_bytes": 64}
    assert receiver.values("training_checkpoints_total")[-1] == 1
    assert receiver.values("training_checkpoint_step")[-1] == 41
    assert receiver.values("training_checkpoint_size_bytes")[-1] == 64


def test_several_processes_are_told_apart(receiver, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=1.0)
    assert {'rank="1"' in sample.labels for sample in receiver.samples} == {True}
    assert receiver.values("training_world_size")[-1] == 4


def test_a_pace_that_the_training_reports_itself_is_taken(receiver):
    with TrainingMonitor("digits", url=receiver.url, port=0) as run:
        for n in range(4):
            run.step(tokens=100, tokens_per_second=7.0)
            wait_until(lambda n=n: len(receiver.values("training_tokens")) > n)
    assert set(receiver.values("training_tokens_per_second")) == {7.0}
    assert receiver.values("training_tokens_total")[-1] == 400


async def test_what_is_known_now_can_be_asked_for(receiver):
    async with TrainingMonitor("digits", total_steps=10, url=receiver.url) as run:
        for n in range(4):
            run.step(loss=1.0 / (n + 1), lr=0.1)
            await asyncio.sleep(0.01)
        with run.part("data"):
            pass
        metrics = await run.get_training_metrics()
    assert (metrics["run"], metrics["status"], metrics["step"]) == ("digits", "running", 4)
    assert (metrics["loss"], metrics["lr"], metrics["total_steps"]) == (0.25, 0.1, 10)
    assert metrics["part_seconds"].keys() == {"data"}
    assert metrics["health"]["spike"] is False
    assert (await run.get_training_metrics())["status"] == "complete"
