"""What is read of NeMo-Run's files, and when a task counts as lost."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collect.nemo_run.layout import START_NS, Home
from tocsin.collect.nemo_run import ExperimentStore, Status

START_S = START_NS / 1e9


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def store(home, now_s=START_S + 10, open_files=()):
    return ExperimentStore(home.path, lambda: frozenset(map(str, open_files)), lambda: now_s)


def statuses(home, **options):
    (experiment,) = store(home, **options).newest(5)
    return experiment.status, {task.name: task.status for task in experiment.tasks}


def test_no_folder_is_no_experiment(tmp_path):
    assert ExperimentStore(tmp_path / "none").newest(5) == []


def test_from_waiting_to_the_end(home):
    experiment = home.experiment()
    first, second = home.task(experiment, "first"), home.task(experiment, "second")
    assert statuses(home) == (Status.WAITING, {"first": Status.WAITING, "second": Status.WAITING})
    home.run(first)
    assert statuses(home) == (Status.RUNNING, {"first": Status.RUNNING, "second": Status.WAITING})
    home.end(first, "FAILED", 3, START_S + 5)
    home.run(second)
    assert statuses(home)[0] is Status.RUNNING
    home.end(second, "SUCCEEDED", 0, START_S + 9)
    (experiment / "_DONE").write_text("")
    (seen,) = store(home).newest(5)
    assert (seen.title, seen.id, seen.started_s) == ("demo", experiment.name, pytest.approx(START_S))
    assert (seen.status, seen.ended_s, seen.is_done) == (Status.FAILED, START_S + 9, True)
    assert [(task.exit_code, task.ended_s) for task in seen.tasks] == [(3, START_S + 5), (0, START_S + 9)]
    assert [task.started_s for task in seen.tasks] == pytest.approx([START_S, START_S])


def test_what_a_task_writes_itself_is_its_log(home):
    log = home.run(home.task(home.experiment(), "train"))
    for name in ("combined.log", "stderr.log"):
        (log.parent / name).write_text("")
    ((task,),) = [each.tasks for each in store(home).newest(1)]
    assert [path.name for path in task.logs] == ["stdout.log", "stderr.log"]


def test_the_last_attempt_counts(home):
    task = home.task(home.experiment(), "train")
    home.run(task, "a1")
    home.end(task, "FAILED", 1, START_S + 1, "a1")
    home.run(task, "a2", START_S + 1e9)
    assert statuses(home, now_s=START_S + 1e9) == (Status.RUNNING, {"train": Status.RUNNING})


def test_lost_is_what_says_nothing_and_that_no_process_has_open(home):
    log = home.run(home.task(home.experiment(), "train"))
    home.write(log, "epoch 1\n", START_S + 30)
    assert statuses(home, now_s=START_S + 80)[0] is Status.RUNNING, "it wrote something a moment ago"
    assert statuses(home, now_s=START_S + 100, open_files=[log])[0] is Status.RUNNING
    assert statuses(home, now_s=START_S + 100, open_files=["/other"])[0] is Status.LOST
    (experiment,) = store(home, now_s=START_S + 100).newest(1)
    assert experiment.ended_s == START_S + 30


def test_the_newest_come_first(home):
    for offset, title in enumerate(("a", "b", "c")):
        home.experiment(title, START_NS + offset * 10**9)
    (home.path / "experiments" / "a" / "a_other").mkdir()
    (home.path / "experiments" / "a" / "x_5").mkdir()
    assert [each.title for each in store(home).newest(2)] == ["c", "b"]
    assert len(store(home).newest(9)) == 3


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.binary(max_size=200) | st.sampled_from([b"{", b"[]", b'{"roles": 3}', b'{"final_state": 7}', b"null"])
)
def test_files_that_are_half_written_do_no_harm(tmp_path_factory, content):
    home = Home(tmp_path_factory.mktemp("home"))
    task = home.task(home.experiment(), "train")
    home.run(task)
    (home.path / ".local_jobs.json").write_bytes(content)
    (task / "nemo_run" / "train-a1" / "SUCCESS").write_bytes(content)
    (experiment,) = store(home).newest(1)
    assert experiment.tasks[0].status in set(Status)
