from __future__ import annotations

import json
import logging
import os
import socket
import urllib.request
from datetime import datetime

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tocsin.runtime import runtime_dir
from tocsin.sdk import FederatedMonitor
from tocsin.sdk.clients import MOST_CLIENTS
from tocsin.sdk.events import EVENTS, log_event
from tocsin.sdk.json_log import JsonFormatter


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        return samples(response.read().decode())


def samples(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("FL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def lines():
    """Events as the JSON formatter writes them."""
    written = []

    class Handler(logging.Handler):
        def emit(self, record):
            written.append(json.loads(self.format(record)))

    handler = Handler()
    handler.setFormatter(JsonFormatter("server"))
    logger = logging.getLogger("tests.federated")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, written
    logger.removeHandler(handler)


def train(fl):
    fl.clients_connected(3)
    fl.round_start(1, selected=[2**63 + 1, "b", "c"])
    fl.client_reply(2**63 + 1, latency_s=0.4, examples=100, update_norm=2.5, cosine=0.9)
    fl.client_failure("b", "RuntimeError")
    fl.round_end(1, loss=0.7, accuracy=0.5)


def test_the_eleven_metrics_are_served_under_their_names():
    with FederatedMonitor("FedAvg", num_rounds=5, port=0) as fl:
        train(fl)
        fl.checkpoint_saved(1, "none", size_bytes=7)
        found = scraped(fl.port)
        (target,) = (runtime_dir() / "targets").glob("*")
        labels = {"instance": socket.gethostname(), "job": "federated"}
        assert json.loads(target.read_text())[0]["labels"] == labels
    expected = {
        ("fl_round_current", "FedAvg"): 1,
        ("fl_round_total", "FedAvg"): 5,
        ("fl_round_duration_seconds_count", "FedAvg"): 1,
        ("fl_aggregated_loss", "FedAvg"): 0.7,
        ("fl_aggregated_accuracy", "FedAvg"): 0.5,
        ("fl_clients_connected",): 3,
        ("fl_clients_selected",): 3,
        ("fl_clients_responded",): 1,
        ("fl_clients_failed_total",): 2,
        ("fl_checkpoint_saved_total",): 1,
        ("fl_training_status",): 1,
        ("fl_client_latency_seconds", str(2**63 + 1)): 0.4,
        ("fl_client_update_cosine", str(2**63 + 1)): 0.9,
    }
    assert {key: found[key] for key in expected} == expected
    buckets = [key[1] for key in found if key[0] == "fl_round_duration_seconds_bucket"]
    assert buckets == ["1.0", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "600.0", "+Inf"]


def test_events_have_their_fields_and_levels(lines):
    logger, written = lines

    def report():
        with FederatedMonitor("FedAvg", 5, min_clients=2, port=0, logger=logger) as fl:
            train(fl)
            fl.evaluation(1, loss=0.6, accuracy=0.55, examples=40)
            fl.client_join("d", "10.0.0.1:5")
            fl.client_leave("d", "unregistered")
            fl.stalled(12.0, connected=1, required=2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        report()
    names = [line["event"] for line in written]
    assert names == [
        "training_start",
        "round_start",
        "client_failure",
        "client_failure",
        "round_end",
        "evaluation_result",
        "client_join",
        "client_leave",
        "training_stalled",
        "training_end",
    ]
    for line in written:
        assert tuple(line["data"]) == EVENTS[line["event"]].fields
        assert line["level"] == logging.getLevelName(EVENTS[line["event"]].level)
        assert line["role"] == "server"
        assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0
        assert line["timestamp"].endswith("Z")
    assert written[0]["data"] == {"strategy": "FedAvg", "num_rounds": 5, "min_clients": 2}
    assert [line["data"]["node_id"] for line in written[2:4]] == ["b", "c"]
    assert written[3]["data"]["error_type"] == "no reply", "who died silently is found by who was selected"
    assert written[-1]["data"]["final_loss"] == 0.6


def test_an_unknown_event_or_field_is_an_error():
    with pytest.raises(KeyError):
        log_event(logging.getLogger("x"), "party")
    with pytest.raises(TypeError, match="round_end has no field colour"):
        log_event(logging.getLogger("x"), "round_end", colour="red")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FL_METRICS_PORT", "80", 'FL_METRICS_PORT is "80" (allowed: 1024 to 65535, not 9091 to 9093)'),
        ("FL_METRICS_PORT", "9092", "9101 counts"),
        ("FL_METRICS_PORT", "x" * 99, "9101 counts"),
        ("FL_LOG_FORMAT", "xml", 'FL_LOG_FORMAT is "xml" (allowed: text, json); text counts'),
        ("FL_LOG_LEVEL", "loud", "INFO counts"),
        ("FL_METRICS_ENABLED", "maybe", "(allowed: YES, NO); YES counts"),
        ("FL_DCGM_ENABLED", "YES", "FL_DCGM_ENABLED needs FL_GPU_ENABLED=YES"),
    ],
)
def test_a_switch_that_is_wrong_is_one_sentence_and_the_training_goes_on(
    monkeypatch, caplog, name, value, sentence
):
    monkeypatch.setenv(name, value)
    with FederatedMonitor("FedAvg", port=0) as fl:
        train(fl)
    told = [record.getMessage() for record in caplog.records if record.name == "tocsin"]
    assert len(told) == 1
    assert sentence in told[0]


def test_a_port_in_use_and_a_registry_that_has_the_names_disturb_nothing(caplog):
    registry = CollectorRegistry()
    Counter("fl_clients_failed", "another", registry=registry)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with FederatedMonitor("FedAvg", port=port, registry=registry) as fl:
            train(fl)
            assert fl.port is None
    told = [record.getMessage() for record in caplog.records if record.name == "tocsin"]
    assert [f"port {port}" in each or "registry" in each for each in told] == [True, True]


def test_metrics_may_stand_in_a_registry_of_the_user_and_be_switched_off(monkeypatch):
    monkeypatch.setenv("FL_METRICS_ENABLED", "no")
    registry = CollectorRegistry()
    with FederatedMonitor("FedProx", registry=registry) as fl:
        assert fl.port is None
        train(fl)
        assert samples(generate_latest(registry).decode())["fl_clients_failed_total",] == 2


@pytest.mark.parametrize("value", [object(), "x", None, [], float("nan")])
def test_nothing_that_is_reported_raises(value, caplog):
    with FederatedMonitor("FedAvg", num_rounds=value, port=0) as fl:
        fl.round_start(value, selected=value)
        fl.client_reply(value, latency_s=value, examples=value)
        fl.client_failure(value, value)
        fl.round_end(value, loss=value, accuracy=value)
        fl.evaluation(value, loss=value)
        fl.checkpoint_saved(value, value)
        fl.clients_connected(value)
        fl.client_leave(value)
        fl.stalled(value, connected=value, required=value)


def test_series_of_clients_are_bounded():
    registry = CollectorRegistry()
    with FederatedMonitor("FedAvg", port=0, registry=registry) as fl:
        for client in range(MOST_CLIENTS + 10):
            fl.client_reply(client, examples=1)
        found = samples(generate_latest(registry).decode())
    clients = [key for key in found if key[0] == "fl_client_examples"]
    assert len(clients) == MOST_CLIENTS
    assert ("fl_client_examples", "0") not in found
