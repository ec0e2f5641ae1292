"""A SuperLink and two SuperNodes: one comes late, crashes once and is killed; the run is stopped."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("flwr", minversion="1.24", reason="flwr is not installed (make frameworks)")

from tests.frameworks.flower_programs import VERSION, Federation
from tests.frameworks.holding import fires, seen
from tests.frameworks.programs import end
from tests.support.ports import free_port
from tests.support.process import running_tocsin

pytestmark = [pytest.mark.framework, pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flower"
METRICS = {
    "fl_round_current",
    "fl_round_total",
    "fl_round_duration_seconds_bucket",
    "fl_aggregated_loss",
    "fl_aggregated_accuracy",
    "fl_clients_connected",
    "fl_clients_selected",
    "fl_clients_responded",
    "fl_clients_failed_total",
    "fl_checkpoint_saved_total",
    "fl_training_status",
}


def until(tocsin, expression, timeout_s=120):
    """Wait until an expression has a result in a tocsin."""
    deadline_s = time.monotonic() + timeout_s
    while not tocsin.query(expression):
        assert time.monotonic() < deadline_s, expression
        time.sleep(0.5)


def value(state, name):
    return next(float(value) for labels, value in state if labels["__name__"] == name)


@contextlib.contextmanager
def watched(flower):
    """The watcher of a SuperLink from outside."""
    module = "tocsin.integrations.flower_watch"
    where = ["--superlink", f"127.0.0.1:{flower.port}", "--port", str(free_port())]
    process = subprocess.Popen([sys.executable, "-m", module, *where], env=flower.environment)
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        status = process.wait(30)
    assert status == 0


def test_a_training_in_which_everything_goes_wrong(tmp_path):
    settings = {"FL_LOG_FORMAT": "json", "FL_METRICS_PORT": str(free_port())}
    with running_tocsin(tmp_path) as tocsin, Federation(tmp_path, EXAMPLE, **settings) as flower:
        flower.add_node(0)
        run = flower.run(num_server_rounds=9, failing_round=2, timeout_s=20, stalled_after_s=5.0, work_s=0.0)
        until(tocsin, "fl_clients_connected == 1")
        time.sleep(6)
        waiting = seen(tocsin)
        late = flower.add_node(1)
        until(tocsin, "fl_round_current == 3")
        two = seen(tocsin)
        end(late, signal.SIGKILL)
        until(tocsin, "fl_clients_connected == 1", timeout_s=180)
        until(tocsin, "fl_clients_failed_total >= 2", timeout_s=180)
        time.sleep(10)
        lost = seen(tocsin)
        with watched(flower):
            until(tocsin, 'flower_nodes{status="online"} == 1')
            flower.stop(run)
            until(tocsin, 'flower_runs{status="finished:stopped"} == 1')
            (stopped,) = tocsin.query("flower_run_status == 3")
        until(tocsin, "absent(fl_training_status)")
        (ended,) = tocsin.query("last_over_time(fl_training_status[10m])")
        lines = flower.lines(run)
    events = [each for each in lines if "event" in each]

    assert {labels["__name__"] for labels, _ in two} >= METRICS
    assert (value(waiting, "fl_training_status"), value(waiting, "fl_round_total")) == (0, 9)
    assert fires(waiting, "FederatedTrainingNotStarted", 31, tmp_path)
    assert value(two, "fl_clients_failed_total") == 1
    assert value(two, "fl_aggregated_loss") > 0
    assert value(lost, "fl_training_status") == 1
    assert fires(lost, "FederatedTrainingStalled", 26, tmp_path)
    assert stopped["metric"]["run"] == run
    # Flower may end the process of a run that is stopped before anything in it hears of that.
    assert ended["value"][1] in {"1", "3"}
    assert not fires(two, "FederatedClientDropout", 6, tmp_path)

    data = {
        name: [each["data"] for each in events if each["event"] == name]
        for name in {e["event"] for e in events}
    }
    assert "Starting FedAvg strategy:" in [each["message"] for each in lines]
    assert data["training_start"] == [{"strategy": "FedAvg", "num_rounds": 9, "min_clients": 2}]
    assert len(data["client_join"]) == 2
    crash, kill = data["client_failure"][:2]
    assert (crash["round"], crash["error_type"]) == (2, "RuntimeError")
    # Nobody answers, or the SuperLink does; that depends on how the time-out and the heartbeats fall.
    assert kill["error_type"] in {"no reply", "MESSAGE_UNAVAILABLE", "NODE_UNAVAILABLE"}
    assert crash["node_id"] == kill["node_id"] == data["client_leave"][0]["node_id"]
    assert data["training_stalled"][0]["connected_clients"] == 1
    assert data["training_stalled"][-1]["required_clients"] == 2
    # Since 1.30 Flower takes no more log of a run that is stopped: its end is seen in the series alone.
    assert "training_end" not in data or VERSION < (1, 30)
