"""The monitor and the real ``tocsin up`` together."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from tests.sdk.receiver import wait_until
from tocsin.runtime import announced
from tocsin.sdk import TrainingMonitor


@contextlib.contextmanager
def tocsin_up(folder):
    """A running tocsin; yields its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "up", "--listen", "127.0.0.1:0", "--data", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.poll() is not None or announced("servers"), timeout_s=30)
        (path,) = announced("servers")
        url = json.loads(path.read_text())["url"]
        wait_until(lambda: is_ready(url))
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def is_ready(url):
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=30) as response:
        return response.status == 200
    return False


def stored(url, metric):
    query = urllib.parse.urlencode({"query": f'{metric}{{run="digits"}}[5m]'})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=30) as response:
        series = json.load(response)["data"]["result"]
    assert len(series) <= 1
    return [float(value) for each in series for _, value in each["values"]]


def test_a_run_that_is_pushed_and_scraped_is_one_series(tmp_path):
    with tocsin_up(tmp_path / "data") as url:
        with TrainingMonitor("digits", port=0) as run:
            run.step(loss=0.5)
            wait_until(lambda: len(stored(url, "training_loss")) > 2, timeout_s=30)
        assert stored(url, "training_status")[-1] == 2
        assert set(stored(url, "training_loss")) == {0.5}


def test_every_step_is_stored_and_a_restart_of_the_server_loses_none(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tocsin.sdk.discovery.LOOK_EVERY_S", 0.2)
    losses = []

    def take_steps(run, count):
        for _ in range(count):
            losses.append(1 / (1 + len(losses)))
            run.step(loss=losses[-1], lr=0.1)
            time.sleep(0.05)

    with TrainingMonitor("digits", total_steps=60) as run:
        take_steps(run, 20)
        with tocsin_up(tmp_path / "data") as url:
            take_steps(run, 20)
            wait_until(lambda: len(stored(url, "training_loss")) == 40)
        take_steps(run, 20)
        with tocsin_up(tmp_path / "data") as url:
            wait_until(lambda: stored(url, "training_loss") == losses)
            run.__exit__(None, None, None)
            assert stored(url, "training_step") == list(range(1, 61))
            assert stored(url, "training_learning_rate") == [0.1] * 60
            assert stored(url, "training_status")[-1] == 2
            assert stored(url, "training_steps_dropped_total")[-1] == 0
