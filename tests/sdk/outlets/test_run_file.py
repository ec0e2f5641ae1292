from __future__ import annotations

import json
import math
import os
import resource
import shutil
import signal

import pytest

from tocsin.sdk import TrainingMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets import whole_lines
from tocsin.sdk.outlets.outlet import Fate, News
from tocsin.sdk.outlets.run_file import RunFile, offline_folder
from tocsin.sdk.readings import Reading

LABELS = {"run": "digits", "job": "training"}
STATE = (Reading("training_status", 1.0), Reading("training_health", 0.0, (("check", "spike"),)))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


def run_file(folder, **options):
    guard = Guard("test")
    return RunFile(folder, Names(guard), LABELS, guard, **options)


def lines_of(folder):
    (path,) = folder.glob("*.jsonl")
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def news(second, state=(), **values):
    return News([(second * 1000, second, values)], list(state), second * 1000)


def test_a_file_begins_with_the_labels_and_holds_each_step_and_what_changes_of_the_state(folder):
    file = run_file(folder)
    for second in range(3):
        assert file.deliver(news(second, STATE, loss=0.5), 1).fate is Fate.TAKEN
    file.close()
    assert lines_of(folder) == [
        {"tocsin_run": 1, "labels": LABELS},
        {"time_ms": 0, "values": {"training_step": 0, "training_loss": 0.5}},
        {"time_ms": 0, "values": {"training_status": 1.0}},
        {"time_ms": 0, "labels": {"check": "spike"}, "values": {"training_health": 0.0}},
        {"time_ms": 1000, "values": {"training_step": 1, "training_loss": 0.5}},
        {"time_ms": 2000, "values": {"training_step": 2, "training_loss": 0.5}},
    ]


def test_the_whole_state_stands_there_every_minute(folder):
    file = run_file(folder)
    for second in range(181):
        file.deliver(News([], list(STATE), second * 1000), 1)
    file.close()
    times = [line["time_ms"] for line in lines_of(folder)[1:] if "training_status" in line["values"]]
    assert times == [0, 60_000, 120_000, 180_000]


def test_what_is_no_number_is_valid_json(folder):
    file = run_file(folder)
    file.deliver(news(1, a=math.nan, b=math.inf, c=-math.inf, d=10**400), 1)
    file.close()
    assert lines_of(folder)[1]["values"] == {
        "training_step": 1,
        "training_a": "NaN",
        "training_b": "+Inf",
        "training_c": "-Inf",
    }


def test_a_long_run_is_thinned_keeps_its_spikes_and_its_end_and_stays_within_its_limit(folder):
    limit_bytes = 300_000
    file = run_file(folder, limit_bytes=limit_bytes)
    hours_s = 3 * 3600
    for second in range(hours_s):
        loss = 1e6 if second in {100, 5000, 9000} else math.nan if second == 8000 else 1.0
        status = 2.0 if second == hours_s - 1 else 1.0
        file.deliver(news(second, [Reading("training_status", status)], loss=loss), 1)
    file.close()
    (path,) = folder.glob("*.jsonl")
    assert limit_bytes / 2 < path.stat().st_size < limit_bytes
    lines = lines_of(folder)
    losses = {
        line["time_ms"] // 1000: line["values"]["training_loss"]
        for line in lines[1:]
        if "training_loss" in line["values"]
    }
    assert [second for second, loss in losses.items() if loss == 1e6] == [100, 5000, 9000]
    assert losses[8000] == "NaN"
    assert lines[-1]["values"] == {"training_status": 2.0}
    assert lines[-1]["time_ms"] == (hours_s - 1) * 1000


def test_at_its_limit_a_file_ends_with_one_sentence_and_how_the_run_ended(folder):
    file = run_file(folder, limit_bytes=2000)
    outcomes = [
        file.deliver(news(second * 100, [Reading("training_status", 1.0)], loss=0.1), 1)
        for second in range(100)
    ]
    file.deliver(news(10_000, [Reading("training_status", 3.0)]), 1)
    file.close()
    refusals = {outcome.reason for outcome in outcomes if outcome.fate is Fate.REFUSED}
    assert len(refusals) == 1
    assert "has reached 0.002 MB, and no more steps are written" in refusals.pop()
    assert lines_of(folder)[-1] == {"time_ms": 10_000_000, "values": {"training_status": 3.0}}


def test_a_write_that_fails_in_its_middle_leaves_whole_lines_and_nothing_is_lost(folder):
    file = run_file(folder)
    file.deliver(news(1, loss=0.5), 1)
    (path,) = folder.glob("*.jsonl")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        outcome = file.deliver(news(2, loss=0.25), 1)
        assert path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcome.fate is Fate.LATER
    assert "cannot write" in outcome.reason
    assert "File too large" in outcome.reason
    assert file.deliver(news(2, loss=0.25), 1).fate is Fate.TAKEN
    file.close()
    assert [line["values"]["training_loss"] for line in lines_of(folder)[1:]] == [0.5, 0.25]


def test_a_disk_that_is_nearly_full_is_left_alone(folder, monkeypatch, caplog):
    file = run_file(folder)
    file.deliver(news(1, loss=0.5), 1)
    real = os.fstatvfs
    full = os.statvfs_result((4096, 4096, 1000, 10, 10, 1000, 10, 10, 0, 255))
    monkeypatch.setattr(whole_lines.os, "fstatvfs", lambda _: full)
    outcome = file.deliver(news(2, loss=0.25), 1)
    assert (outcome.fate, "hardly anything of the disk is free" in outcome.reason) == (Fate.LATER, True)
    monkeypatch.setattr(whole_lines.os, "fstatvfs", real)
    file.deliver(news(2, loss=0.25), 1)
    monkeypatch.setattr(whole_lines.os, "fstatvfs", lambda _: full)
    file.close()
    assert len(lines_of(folder)) == 3
    assert caplog.records == [], "there was nothing more to write"


def test_a_folder_that_was_removed_is_made_again(folder, caplog):
    file = run_file(folder)
    file.deliver(news(1, STATE, loss=0.5), 1)
    shutil.rmtree(folder)
    for second in (2, 3):
        assert file.deliver(news(second, STATE, loss=0.25), 1).fate is Fate.TAKEN
    file.close()
    assert [line["time_ms"] for line in lines_of(folder)[1:]] == [2000, 2000, 2000, 3000]
    (record,) = caplog.records
    assert "was removed, and a new one is begun" in record.getMessage()


def test_two_runs_of_a_name_in_one_second_have_a_file_each(folder):
    first, second = run_file(folder), run_file(folder)
    for file in (first, second):
        file.deliver(news(1, loss=0.5), 1)
        file.close()
    assert len(list(folder.glob("digits-*.jsonl"))) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), ("0", None), ("no", None), ("1", "tocsin-runs"), ("TRUE", "tocsin-runs"), ("a/b", "a/b")],
)
def test_the_variable_is_a_switch_or_a_folder(text, expected):
    folder = offline_folder({"TOCSIN_OFFLINE": text})
    assert (folder and str(folder)) == expected


def test_a_monitor_writes_its_run_whatever_servers_there_are(folder, monkeypatch, receiver):
    monkeypatch.setenv("TOCSIN_OFFLINE", str(folder))
    monkeypatch.setenv("TOCSIN_OTLP_URL", receiver.url)
    with TrainingMonitor("a run/with signs", total_steps=2, url=receiver.url) as run:
        for loss in (0.5, 0.25):
            run.step(loss=loss, lr=0.1)
    lines = lines_of(folder)
    assert lines[0]["labels"]["run"] == "a run/with signs"
    assert lines[0]["labels"]["job"] == "training"
    losses = [line["values"] for line in lines if "training_loss" in line.get("values", {})]
    assert [(each["training_step"], each["training_loss"]) for each in losses] == [(1, 0.5), (2, 0.25)]
    states = [line["values"] for line in lines if "training_status" in line.get("values", {})]
    assert states[-1]["training_status"] == 2
    assert receiver.requests == []


@pytest.mark.parametrize("kind", ["a file", "no permission"])
def test_a_folder_that_cannot_be_written_is_one_sentence_and_the_training_goes_on(
    tmp_path, monkeypatch, caplog, kind
):
    place = tmp_path / "place"
    if kind == "a file":
        place.write_text("")
        folder = place / "runs"
    else:
        folder = place / "runs"
        monkeypatch.setattr(whole_lines.Path, "mkdir", refused)
    monkeypatch.setenv("TOCSIN_OFFLINE", str(folder))
    with TrainingMonitor("digits") as run:
        for _ in range(100):
            run.step(loss=0.5)
    sentences = [record.getMessage() for record in caplog.records]
    assert [each for each in sentences if "cannot write" in each] == sentences[:1]
    assert "steps could not be sent before the end" in sentences[1]
    assert len(sentences) == 2


def refused(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_what_was_written_survives_the_end_of_the_process(folder):
    file = run_file(folder)
    child = os.fork()
    if child == 0:
        file.deliver(news(1, loss=0.5), 1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert lines_of(folder)[1]["values"]["training_loss"] == 0.5
