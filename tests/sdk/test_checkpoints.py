from __future__ import annotations

import logging

import pytest

from tocsin.sdk.checkpoints import Checkpoints, size_of
from tocsin.sdk.guard import Guard


@pytest.fixture(autouse=True)
def events_are_captured(caplog):
    caplog.set_level(logging.INFO, logger="tocsin.training")


def told(checkpoints):
    return {reading.name.removeprefix("training_"): reading.value for reading in checkpoints.readings()}


def test_before_the_first_there_is_nothing():
    assert Checkpoints("digits", Guard("test")).readings() == []


def test_a_file_and_a_folder_are_measured(tmp_path, caplog):
    (tmp_path / "last.pt").write_bytes(b"x" * 1000)
    (tmp_path / "shards" / "deep").mkdir(parents=True)
    (tmp_path / "shards" / "a").write_bytes(b"x" * 10)
    (tmp_path / "shards" / "deep" / "b").write_bytes(b"x" * 5)
    checkpoints = Checkpoints("digits", Guard("test"))
    checkpoints.saved(tmp_path / "last.pt", step=10, size_bytes=None, time_s=1000.0)
    assert told(checkpoints)["checkpoint_size_bytes"] == 1000
    checkpoints.saved(str(tmp_path / "shards"), step=20, size_bytes=None, time_s=2000.0)
    assert told(checkpoints) == {
        "checkpoints_total": 2,
        "checkpoint_time_seconds": 2000,
        "checkpoint_step": 20,
        "checkpoint_size_bytes": 15,
    }
    first, second = (record.data for record in caplog.records)
    assert first == {"run": "digits", "step": 10, "path": str(tmp_path / "last.pt"), "size_bytes": 1000}
    assert (second["step"], second["size_bytes"]) == (20, 15)


def test_a_size_that_is_given_is_taken(tmp_path):
    checkpoints = Checkpoints("digits", Guard("test"))
    checkpoints.saved(tmp_path / "elsewhere", step=None, size_bytes=7, time_s=1.0)
    assert told(checkpoints) == {
        "checkpoints_total": 1,
        "checkpoint_time_seconds": 1,
        "checkpoint_size_bytes": 7,
    }


def test_a_checkpoint_that_is_not_there_still_counts(tmp_path, caplog):
    checkpoints = Checkpoints("digits", Guard("test"))
    checkpoints.saved(tmp_path / "gone", step=1, size_bytes=None, time_s=1.0)
    assert told(checkpoints) == {"checkpoints_total": 1, "checkpoint_time_seconds": 1, "checkpoint_step": 1}
    assert "the size of a checkpoint is not known" in caplog.text


def test_a_folder_of_endless_files_is_measured_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("tocsin.sdk.checkpoints._MOST_FILES", 3)
    for n in range(9):
        (tmp_path / str(n)).write_bytes(b"x")
    assert size_of(tmp_path) == 3
