"""NVIDIA FLARE as a federation: a server and two sites, one job that ends well and one that is aborted."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("nvflare", minversion="2.9", reason="nvflare is not installed (make frameworks)")

import numpy as np

from tests.frameworks.flare_programs import ProofOfConcept
from tests.support.ports import free_port
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.framework, pytest.mark.timeout(500), pytest.mark.filterwarnings("default")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nvflare"
SITES = ("site-1", "site-2")


def made_job(folder, rounds):
    options = ["--rounds", str(rounds), "--no-reporter"]
    subprocess.run([sys.executable, EXAMPLE / "make_job.py", folder, *options], check=True)
    return folder


def by(tocsin, label, expression):
    """The values of an expression by one of its labels."""
    return {
        each["metric"].get(label): float(each["value"][1])
        for each in tocsin.query(f"last_over_time({expression}[10m])")
    }


def expected_loss(rounds):
    """What the clients of the example have to find in the last round, worked out without FLARE."""
    truth = np.array([[3.0, -2.0, 0.5], [1.0, 0.0, -1.0], [0.2, 0.4, 0.6]])
    data = [np.random.default_rng(len(site) + ord(site[-1])).normal(size=(200, 3)) for site in SITES]
    weights = np.arange(1.0, 10.0).reshape(3, 3)
    for _ in range(rounds):
        losses = [np.mean((points @ (weights - truth)) ** 2) for points in data]
        learnt = []
        for points in data:
            own = weights
            for _ in range(5):
                own = own - 0.2 * points.T @ (points @ (own - truth)) / 200
            learnt.append(own)
        weights = np.mean(learnt, axis=0)
    return np.mean(losses)


def until(tocsin, expression, timeout_s=120):
    deadline_s = time.monotonic() + timeout_s
    while not tocsin.query(expression):
        assert time.monotonic() < deadline_s, expression
        time.sleep(0.5)


def test_jobs_of_a_federation(tmp_path):
    statsd_port = free_port()
    config = f"statsd: {{listen: '127.0.0.1:{statsd_port}', preset: nvflare}}\ncollectors: {{interval: 1s}}\n"
    settings = {"FL_METRICS_PORT": str(free_port())}
    with running_tocsin(tmp_path, config) as tocsin:
        with ProofOfConcept(tmp_path, SITES, statsd_port, **settings) as flare:
            good = flare.submit(made_job(tmp_path / "good", rounds=3))
            flare.told("job", "wait", good)
            until(tocsin, "last_over_time(fl_training_status[5m]) == 2")
            loss = by(tocsin, "strategy", "fl_aggregated_loss")
            rounds = by(tocsin, "job_id", "nvflare_rounds_done_total")
            begun = by(tocsin, "site", f'nvflare_start_run_total{{job_id="{good}"}}')
            ended = by(tocsin, "site", f'nvflare_end_run_total{{job_id="{good}"}}')
            execution = by(tocsin, "client", f'nvflare_task_execution_seconds{{job_id="{good}"}}')
            systems = by(tocsin, "site", "nvflare_system_start_total")
            until(tocsin, "nvflare_client_heartbeat_received_total > 1")

            aborted = flare.submit(made_job(tmp_path / "aborted", rounds=500))
            until(tocsin, "fl_round_current > 3")
            flare.told("job", "abort", aborted, "--force")
            until(tocsin, "last_over_time(fl_training_status[5m]) == 3")
        unmapped = by(tocsin, "job", "tocsin_statsd_events_unmapped_total")
        strange = tocsin.query('{__name__=~"datadog.*|_.*"}')
    assert rounds == {good: 3}
    assert loss["ScatterAndGather"] == pytest.approx(expected_loss(rounds=3))
    assert begun == ended == {"server": 1, "site-1": 1, "site-2": 1}
    assert set(execution) == set(SITES)
    assert set(systems) == {"server", *SITES}
    assert set(unmapped.values()) == {0}
    assert strange == []
