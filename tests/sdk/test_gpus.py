from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys

import pytest

from tests.collect.nvml import CARD, build, machine
from tocsin.errors import ConfigError
from tocsin.runtime import announced
from tocsin.sdk import FederatedMonitor, gpus
from tocsin.sdk.gpus import Gpu, GpuEvents, find_gpus, listens
from tocsin.sdk.guard import Guard

PROBE = "from tocsin.sdk.gpus import find_gpus; print(find_gpus())"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


def found(library, environment):
    variables = {name: value for name, value in environment.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "LD_LIBRARY_PATH": str(library), **variables},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        text=True,
    )
    return done.stdout


def test_every_card_is_told_by_name_memory_and_driver(library):
    text = found(library, machine(CARD, {**CARD, "NAME": "NVIDIA A100"}))
    assert text.count("Gpu(name=") == 2
    assert "name='NVIDIA H100 80GB HBM3', memory_mb=" in text
    assert "name='NVIDIA A100'" in text


def test_without_a_driver_or_a_card_there_is_none(library, tmp_path):
    assert found(tmp_path, {}) == "[]\n"
    assert found(library, machine()) == "[]\n"


def test_without_the_binding_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(ConfigError, match="pip install nvidia-ml-py"):
        find_gpus()


def test_names_of_older_bindings_are_bytes():
    assert gpus._text(b"Tesla T4") == "Tesla T4"
    assert Gpu("Tesla T4", 15_360, "550").memory_mb == 15_360


@pytest.fixture
def logger(caplog):
    caplog.set_level(logging.INFO, logger="fl")
    return logging.getLogger("fl")


def told(caplog):
    return [(record.event, record.levelname, record.data) for record in caplog.records if record.name == "fl"]


def test_each_card_is_an_event(logger, caplog, monkeypatch):
    monkeypatch.setattr(
        gpus, "find_gpus", lambda: [Gpu("H100", 81_559, "550.54"), Gpu("A100", 40_960, "550.54")]
    )
    GpuEvents(Guard("test")).look(logger, exporter=False)
    h100 = {"gpu_name": "H100", "gpu_memory_mb": 81_559, "driver_version": "550.54"}
    assert told(caplog)[0] == ("gpu_detected", "INFO", h100)
    assert [data["gpu_name"] for _, _, data in told(caplog)] == ["H100", "A100"]


def test_no_card_is_a_warning(logger, caplog, monkeypatch):
    monkeypatch.setattr(gpus, "find_gpus", list)
    GpuEvents(Guard("test")).look(logger, exporter=False)
    assert told(caplog) == [("gpu_unavailable", "WARNING", {"fallback_device": "cpu"})]


def test_a_library_that_fails_is_told_and_counts_as_no_card(logger, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    GpuEvents(Guard("test")).look(logger, exporter=False)
    assert "pip install nvidia-ml-py" in caplog.text
    assert [event for event, _, _ in told(caplog)] == ["gpu_unavailable"]


def test_an_exporter_beside_is_announced_until_the_end(logger, caplog, monkeypatch, tmp_path):
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(gpus, "find_gpus", list)
    events = GpuEvents(Guard("test"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(gpus, "DCGM_EXPORTER", server.getsockname())
        events.look(logger, exporter=True)
        (path,) = announced("targets")
        (group,) = json.loads(path.read_text())
        assert group["targets"] == [f"127.0.0.1:{server.getsockname()[1]}"]
    events.forget()
    assert announced("targets") == []
    events.look(logger, exporter=True)
    assert announced("targets") == []
    assert "no DCGM exporter listens" in caplog.text


def test_a_federated_training_tells_of_its_gpus(caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger="fl")
    monkeypatch.setenv("FL_GPU_ENABLED", "YES")
    monkeypatch.setattr(gpus, "find_gpus", list)
    with FederatedMonitor("FedAvg", port=0, logger=logging.getLogger("fl")):
        pass
    assert [event for event, _, _ in told(caplog)] == ["training_start", "gpu_unavailable", "training_end"]


def test_whether_an_exporter_listens_is_seen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert listens(address)
    assert not listens(address)
