"""Experiments as series."""

from __future__ import annotations

import pytest

from tests.collect.nemo_run.layout import START_NS, Home
from tocsin.collect.nemo_run import ExperimentStore, NemoRunCollector
from tocsin.collect.nemo_run.collector import KEPT_S

START_S = START_NS / 1e9


class Scene:
    def __init__(self, path):
        self.home = Home(path)
        self.now_s = START_S + 1
        now = lambda: self.now_s  # noqa: E731 - the same for both
        self.collector = NemoRunCollector(ExperimentStore(path, frozenset, now), now)

    def value(self, name, task="train"):
        found = [
            sample.value
            for family in self.collector.collect()
            for sample in family.samples
            if sample.name == f"nemo_run_{name}" and sample.labels.get("task", task) == task
        ]
        return found[0] if found else None


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_nothing_where_nemo_run_is_not_used(scene):
    assert scene.value("experiments") == 0
    assert len(list(scene.collector.collect())) == 1


def test_a_task_that_fails(scene):
    experiment = scene.home.experiment()
    task = scene.home.task(experiment, "train")
    assert scene.value("task_status") == 0
    log = scene.home.run(task)
    scene.home.write(log, "Epoch 1\nsomething ERROR here\nTrace", START_S + 1)
    assert (scene.value("task_status"), scene.value("task_log_errors_total")) == (1, 1)
    scene.home.write(log, "back (most recent call last)\nTraceback (most recent call last):\n", START_S + 1)
    assert scene.value("task_log_errors_total") == 3
    assert scene.value("task_exit_code") is None
    scene.home.end(task, "FAILED", 3, START_S + 2)
    (experiment / "_DONE").write_text("")
    assert (scene.value("task_status"), scene.value("task_exit_code")) == (3, 3)
    assert (scene.value("task_end_time_seconds"), scene.value("experiment_status")) == (START_S + 2, 3)
    scene.now_s = START_S + 2 + KEPT_S
    assert scene.value("task_status") is None, "what ended a day ago is told no more"


def test_a_log_that_is_not_utf8(scene):
    task = scene.home.task(scene.home.experiment(), "train")
    log = scene.home.run(task)
    log.write_bytes(b"\xff\xfe ERROR \x00\nRuntimeError: planned\n")
    assert scene.value("task_log_errors_total") == 2
