from __future__ import annotations

import contextlib
import math
import sys

import pytest

from tests.sdk.receiver import wait_until
from tocsin.sdk import TrainingMonitor
from tocsin.sdk.course import Course, Loss
from tocsin.sdk.names import MOST_NAMES
from tocsin.sdk.summary import Summary


def trained(losses=(2.0, 0.5, 0.75), **options):
    with TrainingMonitor("digits", total_steps=len(losses), **options) as run:
        for loss in losses:
            run.step(loss=loss, accuracy=1 - loss)


def test_a_run_that_no_server_saw_is_summed_up(capsys):
    trained()
    out, err = capsys.readouterr()
    assert out == ""
    head, steps, loss, last, hint = err.splitlines()
    assert head == "tocsin | digits | complete"
    assert steps.startswith("  steps     3 of 3 in ")
    assert loss == "  loss      first 2, last 0.75, best 0.5"
    assert last == "  last      accuracy 0.25"
    assert "tocsin up" in hint
    assert "TOCSIN_OFFLINE=1" in hint


def test_a_run_that_failed_says_so_and_what_was_wrong_with_its_health(capsys):
    with contextlib.suppress(RuntimeError), TrainingMonitor("digits") as run:
        run.step(loss=0.5)
        run.step(loss=math.nan)
        raise RuntimeError
    err = capsys.readouterr().err
    assert "tocsin | digits | failed" in err
    assert "  loss      first 0.5, last nan, best 0.5" in err
    assert "  health    not_finite (1 x)" in err


def test_a_run_that_was_written_says_how_to_import_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_OFFLINE", str(tmp_path / "my runs"))
    trained()
    (path,) = (tmp_path / "my runs").iterdir()
    assert capsys.readouterr().err.splitlines()[-1] == f"  kept      tocsin import '{path}'"


def test_nothing_is_printed_when_a_server_took_the_run(capsys, receiver):
    trained(url=receiver.url)
    assert receiver.values("training_loss") == [2.0, 0.5, 0.75]
    assert capsys.readouterr().err == ""


def test_nothing_is_printed_by_other_ranks_or_without_steps_or_when_it_is_switched_off(capsys, monkeypatch):
    trained(rank=1, world_size=2)
    trained(losses=())
    monkeypatch.setenv("TOCSIN_SUMMARY", "0")
    trained()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("TOCSIN_SUMMARY", "1")
    trained(rank=0, world_size=2)
    assert "complete" in capsys.readouterr().err


class Broken:
    def write(self, _):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Broken()], ids=["none", "broken"])
def test_an_error_stream_that_cannot_be_written_disturbs_nothing(stream, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        trained()


def test_long_things_are_shortened():
    newest = {f"v{n}": float(n) for n in range(100)}
    text = str(Summary("a\nb" * 200, "complete", 1_200_000, 7325.0, newest=newest))
    assert max(map(len, text.splitlines())) <= 200
    assert "v7 7, 92 more" in text
    assert "1,200,000 in 2 h 2 min, 164 a second" in text


def test_a_course_keeps_the_lowest_of_thinned_rows_and_does_not_grow():
    course = Course()
    course.take([(n, n, {"loss": float("nan") if n == 50 else abs(50.5 - n)}) for n in range(100)])
    assert course.losses["loss"] == Loss(50.5, 48.5, 0.5)
    course.take([(n, n, {f"name{n}": 1.0}) for n in range(2 * MOST_NAMES)])
    assert len(course.newest) == MOST_NAMES
    assert "loss" in course.newest


def test_a_server_that_comes_late_takes_the_run_and_nothing_is_printed(capsys, receiver):
    receiver.status = 503
    with TrainingMonitor("digits", url=receiver.url) as run:
        run.step(loss=0.5)
        wait_until(lambda: receiver.requests)
        receiver.status = 204
        wait_until(lambda: receiver.values("training_loss"))
    assert capsys.readouterr().err == ""
