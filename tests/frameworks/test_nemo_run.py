"""NeMo-Run itself: three local tasks, of which two fail, with the plugin in them and a tocsin outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("nemo_run", reason="NeMo-Run is not installed (make frameworks)")

from tests.frameworks.programs import end
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.framework, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
CONFIG = "collectors: {interval: 1s}\n"
TASKS = {"bad", "good", "script"}


def by_task(tocsin, expression):
    return {
        each["metric"]["task"]: float(each["value"][1])
        for each in tocsin.query(f"last_over_time({expression}[5m])")
    }


def firing(tocsin, alert):
    found = tocsin.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')
    return {each["metric"]["task"] for each in found}


def until(condition, timeout_s=120):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.5)


@pytest.fixture
def environment(tmp_path):
    """Where NeMo-Run keeps its files, and its programs, as it starts "python" by its name."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {"NEMORUN_HOME": str(tmp_path / "nemo"), "PATH": path}


@contextlib.contextmanager
def launched(folder, environment):
    """The experiment under way."""
    log = folder / "experiment.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, HERE / "nemo_experiment.py"],
            env={**os.environ, **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process, signal.SIGKILL)


def test_an_experiment_in_which_tasks_fail(tmp_path, environment):
    with (
        running_tocsin(tmp_path, CONFIG, environment=environment) as tocsin,
        launched(tmp_path, {**environment, "TOCSIN_URL": tocsin.url}) as parent,
    ):
        until(lambda: tocsin.query("nemo_run_experiments == 1"))
        followed = subprocess.run(
            [sys.executable, "-m", "tocsin", "nemo-run", "toy"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert parent.wait(60) == 0, (tmp_path / "experiment.log").read_text()
        until(lambda: set(by_task(tocsin, "nemo_run_task_exit_code")) == TASKS)
        until(lambda: tocsin.query("nemo_run_experiment_status == 3"))
        states = by_task(tocsin, "nemo_run_task_status")
        codes = by_task(tocsin, "nemo_run_task_exit_code")
        errors = by_task(tocsin, "nemo_run_task_log_errors_total")
        seconds = by_task(tocsin, "nemo_run_task_end_time_seconds")
        until(lambda: firing(tocsin, "NemoRunTaskFailed") == {"bad", "script"})
        until(lambda: by_task(tocsin, "training_status") == {"good": 2, "bad": 3})
        steps = by_task(tocsin, "training_step")
        (ended,) = tocsin.query("nemo_run_experiment_status")
        runs = {
            (each["metric"]["run"], each["metric"]["task"], each["metric"]["experiment"])
            for each in tocsin.query("last_over_time(training_loss[5m])")
        }
    experiment = ended["metric"]["experiment"]
    assert experiment.startswith("toy_")
    assert states == {"good": 2, "bad": 3, "script": 3}
    assert codes == {"good": 0, "bad": 1, "script": 7}
    assert errors["good"] == errors["script"] == 0
    assert errors["bad"] >= 1
    assert set(seconds) == TASKS
    assert runs == {("good", "good", experiment), ("bad", "bad", experiment)}, "labels came by the plugin"
    assert steps == {"good": 20, "bad": 5}

    lines = followed.stdout.splitlines()
    assert followed.returncode == 1, followed.stderr
    assert f"script | labels: experiment={experiment},task=script" in lines
    assert [line for line in lines if line.startswith("good | step")] == [
        f"good | step {step}" for step in range(1, 21)
    ]
    assert any("RuntimeError: this task was told to fail" in line for line in lines)
    assert any(line.startswith("bad: failed, exit code 1, after") for line in lines)
    assert any(line.startswith("script: failed, exit code 7, after") for line in lines)
    assert any(line.startswith("good: complete, exit code 0, after") for line in lines)


def test_an_experiment_that_is_killed_is_lost(tmp_path, environment):
    with running_tocsin(tmp_path, CONFIG, environment=environment) as tocsin:
        with launched(tmp_path, environment):
            until(lambda: by_task(tocsin, "nemo_run_task_status").get("good") == 1)
        folder = Path(environment["NEMORUN_HOME"]) / "experiments" / "toy"
        (log,) = folder.glob("toy_*/good/nemo_run/*/good/0/stdout.log")
        # NeMo-Run puts its tasks into groups of their own, so "good" goes on and nobody notes its end.
        until(lambda: "step 20" in log.read_text())
        until(lambda: by_task(tocsin, "nemo_run_task_status")["good"] == 4)
        until(lambda: tocsin.query("nemo_run_experiment_status == 4"))
        until(lambda: "good" in firing(tocsin, "NemoRunTaskLost"))
        assert "good" not in by_task(tocsin, "nemo_run_task_exit_code")
        assert by_task(tocsin, "nemo_run_task_log_errors_total")["bad"] >= 1, "written after the kill"
