"""NVIDIA FLARE itself: a job in its simulator, with a tocsin that listens for StatsD and scrapes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nvflare", minversion="2.9", reason="nvflare is not installed (make frameworks)")

from tests.support.ports import free_port
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.framework, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nvflare"


def simulate(folder, statsd_port, metrics_port):
    made = [sys.executable, EXAMPLE / "make_job.py", folder / "job", "--statsd-port", str(statsd_port)]
    subprocess.run(made, check=True)
    simulator = [Path(sys.executable).parent / "nvflare", "simulator", folder / "job", "-w", folder / "space"]
    return subprocess.run(
        [*simulator, "-n", "2", "-t", "2"],
        env={**os.environ, "FL_METRICS_PORT": str(metrics_port), "FL_LOG_FORMAT": "json"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=True,
    ).stdout


def test_a_job_in_the_simulator(tmp_path):
    statsd_port = free_port()
    config = f"statsd: {{listen: '127.0.0.1:{statsd_port}', preset: nvflare}}\ncollectors: {{interval: 1s}}\n"
    with running_tocsin(tmp_path, config) as tocsin:
        written = simulate(tmp_path, statsd_port, free_port())
        rounds = tocsin.query("last_over_time(nvflare_rounds_started_total[5m])")
        execution = tocsin.query("last_over_time(nvflare_task_execution_seconds[5m])")
        unmapped = tocsin.query("last_over_time(tocsin_statsd_events_unmapped_total[1m])")
        status = tocsin.query("last_over_time(fl_training_status[5m])")
        loss = tocsin.query("last_over_time(fl_aggregated_loss[5m])")
        strange = tocsin.query('{__name__=~"datadog.*|_.*"}')
    (server,) = rounds
    assert server["value"][1] == "3"
    assert server["metric"]["site"] == "server"
    assert server["metric"]["job_id"] == "simulate_job"
    assert sorted(each["metric"]["client"] for each in execution) == ["site-1", "site-2"]
    assert all(each["value"][1] == "0" for each in unmapped)
    assert strange == []
    assert [each["value"][1] for each in status] == ["2"]

    events = [json.loads(line) for line in written.splitlines() if line.startswith("{") and '"event"' in line]
    data = {
        name: [each["data"] for each in events if each["event"] == name]
        for name in {e["event"] for e in events}
    }
    assert data["training_start"] == [{"strategy": "ScatterAndGather", "num_rounds": 3, "min_clients": 2}]
    assert [each["num_clients_responded"] for each in data["round_end"]] == [2, 2, 2]
    losses = [each["aggregated_loss"] for each in data["round_end"]]
    assert losses == sorted(losses, reverse=True)
    assert float(loss[0]["value"][1]) == losses[-1]
    assert {each["node_id"] for each in data["client_join"]} == {"site-1", "site-2"}
