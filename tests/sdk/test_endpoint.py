from __future__ import annotations

import json
import math
import os
import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.ports import free_port
from tocsin.runtime import runtime_dir
from tocsin.sdk import TrainingMonitor


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
        return {sample.name: sample for family in families for sample in family.samples}


def targets():
    return sorted((runtime_dir() / "targets").glob("*"))


def test_the_newest_values_are_served_and_the_target_is_announced():
    with TrainingMonitor("digits", total_steps=9, port=0, labels={"team": "vision"}) as run:
        run.step(loss=3.0, accuracy=math.nan)
        run.step(loss=2.0)
        samples = scraped(run.port)
        (path,) = targets()
        assert path.name == f"{os.getpid()}-{run.port}.json"
        assert json.loads(path.read_text()) == [
            {
                "targets": [f"127.0.0.1:{run.port}"],
                "labels": {"instance": socket.gethostname(), "job": "training"},
            }
        ]
    assert samples["training_loss"].value == 2.0
    assert math.isnan(samples["training_accuracy"].value)
    assert samples["training_step"].value == 2
    assert samples["training_total_steps"].value == 9
    assert samples["training_status"].value == 1
    assert samples["training_steps_dropped_total"].value == 0
    assert samples["training_loss"].labels == {"run": "digits", "team": "vision"}
    assert targets() == []
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", run.port), timeout=5):
        pass


def test_only_this_machine_can_connect():
    with TrainingMonitor("digits", port=0) as run:
        assert run._endpoint._endpoint._server.server_address[0] == "127.0.0.1"


def test_a_port_in_use_is_one_line_and_the_training_goes_on(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with TrainingMonitor("digits", port=port) as run:
            run.step(loss=1.0)
            assert run.port is None
    (record,) = caplog.records
    assert f"/metrics cannot be served on port {port}" in record.getMessage()


def test_a_runtime_folder_that_cannot_be_made_leaves_no_server_behind(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path / "file"))
    port = free_port()
    with TrainingMonitor("digits", port=port) as run:
        assert run.port is None
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    assert len(caplog.records) == 1
