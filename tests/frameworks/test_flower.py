"""Flower itself, in one process: every shipped strategy and a real ClientApp, without sockets."""

from __future__ import annotations

import importlib
import json
import logging
import random
import sys
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="flwr is not installed (make frameworks)")

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, MetricRecord, RecordDict
from flwr.serverapp import strategy as strategies
from prometheus_client import CollectorRegistry

from tests.frameworks.in_process import InProcessGrid
from tocsin.integrations.flower import monitor
from tocsin.sdk.json_log import JsonFormatter

pytestmark = [pytest.mark.framework, pytest.mark.filterwarnings("default")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flower"


@pytest.fixture(autouse=True)
def example(monkeypatch):
    monkeypatch.setenv("FL_METRICS_ENABLED", "NO")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield importlib.import_module("toyfed.client_app")
    for name in [name for name in sys.modules if name.startswith("toyfed")]:
        del sys.modules[name]


@pytest.fixture
def events():
    """Events as they are written to Flower's log."""
    written = []

    class Handler(logging.Handler):
        def emit(self, record):
            if hasattr(record, "event"):
                written.append(json.loads(self.format(record)))

    handler = Handler()
    handler.setFormatter(JsonFormatter("server"))
    logging.getLogger("flwr").addHandler(handler)
    yield written
    logging.getLogger("flwr").removeHandler(handler)


def grid_of(example, nodes=2):
    return InProcessGrid(
        example.app, [{"partition-id": node, "num-partitions": nodes} for node in range(nodes)]
    )


def start(strategy, grid, rounds=2, **options):
    arrays = ArrayRecord({"weights": Array(np.zeros(4))})
    config = ConfigRecord({"work-s": 0.0, "failing-round": options.pop("failing_round", 0)})
    return strategy.start(grid, arrays, num_rounds=rounds, timeout=5, train_config=config, **options)


def values(registry, name, **labels):
    return registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    "make",
    [
        strategies.FedAvg,
        strategies.FedProx,
        strategies.FedAdam,
        strategies.FedAdagrad,
        strategies.FedYogi,
        strategies.FedAvgM,
        strategies.FedMedian,
        strategies.FedTrimmedAvg,
        strategies.Krum,
        strategies.MultiKrum,
        strategies.Bulyan,
        strategies.QFedAvg,
    ],
    ids=lambda make: make.__name__,
)
def test_every_shipped_strategy_learns_the_same_watched_as_not(example, make):
    options = {"client_learning_rate": 0.1} if make is strategies.QFedAvg else {}
    options |= {"proximal_mu": 0.1} if make is strategies.FedProx else {}
    random.seed(7)  # Flower samples nodes by it, and Krum takes the first of two that are as good
    plain = start(make(**options), grid_of(example, nodes=4))
    random.seed(7)
    registry = CollectorRegistry()
    strategy = monitor(make(**options), registry=registry)
    watched = start(strategy, grid_of(example, nodes=4))
    assert isinstance(strategy, make)
    assert np.allclose(watched.arrays["weights"].numpy(), plain.arrays["weights"].numpy())
    assert values(registry, "fl_round_current", strategy=make.__name__) == 2
    assert values(registry, "fl_round_duration_seconds_count", strategy=make.__name__) == 2
    assert values(registry, "fl_training_status") == 2
    assert values(registry, "fl_clients_failed_total") == 0
    loss = watched.evaluate_metrics_clientapp[2]["eval_loss"]
    assert values(registry, "fl_aggregated_loss", strategy=make.__name__) == loss


def test_a_strategy_around_another_is_watched(example):
    strategy = strategies.DifferentialPrivacyServerSideFixedClipping(
        strategies.FedAvg(), noise_multiplier=0.0, clipping_norm=100.0, num_sampled_clients=2
    )
    registry = CollectorRegistry()
    start(monitor(strategy, name="dp", registry=registry), grid_of(example))
    assert values(registry, "fl_round_current", strategy="dp") == 2
    assert values(registry, "fl_clients_responded") == 2


def test_who_fails_is_named_however_it_fails(example, events):
    grid = grid_of(example, nodes=4)
    _, failing, silent, gone = grid.get_node_ids()
    grid.silent.add(silent)
    grid.gone.add(gone)
    registry = CollectorRegistry()
    start(monitor(strategies.FedAvg(), registry=registry), grid, rounds=1, failing_round=1)
    failures = {
        each["data"]["node_id"]: each["data"]["error_type"]
        for each in events
        if each["event"] == "client_failure"
    }
    assert failures == {
        str(failing): "RuntimeError",
        str(silent): "no reply",
        str(gone): "NODE_UNAVAILABLE",
    }
    assert values(registry, "fl_clients_failed_total") == 3
    assert values(registry, "fl_clients_selected") == 4
    assert values(registry, "fl_clients_responded") == 1
    assert values(registry, "fl_client_examples", client="0") == 300


def test_the_mod_names_the_client_and_updates_are_measured(example):
    registry = CollectorRegistry()
    result = start(monitor(strategies.FedAvg(), registry=registry), grid_of(example), rounds=1)
    norm = values(registry, "fl_client_update_norm", client="1")
    points, truth = example.data(seed=1)
    weights = np.zeros(4)
    for _ in range(5):
        weights -= 0.2 * points.T @ (points @ weights - truth) / len(truth)
    assert norm == pytest.approx(np.linalg.norm(weights))
    aggregate = result.arrays["weights"].numpy()
    cosine = weights @ aggregate / np.linalg.norm(weights) / np.linalg.norm(aggregate)
    assert values(registry, "fl_client_update_cosine", client="1") == pytest.approx(cosine)
    assert values(registry, "fl_client_work_seconds", client="1") > 0
    assert values(registry, "fl_client_latency_seconds", client="1") >= 0
    assert values(registry, "fl_client_sent_bytes", client="1") > 32
    assert values(registry, "fl_client_received_bytes", client="1") > 32


def test_an_evaluation_on_the_server_counts_for_more(example, events):
    registry = CollectorRegistry()
    start(
        monitor(strategies.FedAvg(), registry=registry),
        grid_of(example),
        evaluate_fn=lambda number, arrays: MetricRecord({"loss": 9.0 - number, "accuracy": 0.5}),
    )
    assert values(registry, "fl_aggregated_loss", strategy="FedAvg") == 7.0
    ends = [each["data"]["aggregated_loss"] for each in events if each["event"] == "round_end"]
    assert ends == [8.0, 7.0]
    assert sum(each["event"] == "evaluation_result" for each in events) == 5


def test_the_whole_example_runs(example, capfd, monkeypatch):
    server = importlib.import_module("toyfed.server_app")
    config = {
        "num-server-rounds": 2,
        "timeout-s": 5,
        "work-s": 0.0,
        "failing-round": 2,
        "stalled-after-s": 30.0,
    }
    context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=config)
    server.app(grid_of(example), context)
    assert "eval_loss" in capfd.readouterr().out


def test_the_console_of_flower_writes_json(example, monkeypatch, capsys):
    from flwr.common.logger import ConsoleHandler

    logger = logging.getLogger("flwr")
    before = logger.handlers[:]
    stream = __import__("io").StringIO()
    logger.handlers[:] = [ConsoleHandler(stream=stream)]
    monkeypatch.setenv("FL_LOG_FORMAT", "json")
    try:
        start(monitor(strategies.FedAvg()), grid_of(example), rounds=1)
    finally:
        logger.handlers[:] = before
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {"flwr"} == {line["logger"] for line in lines}
    assert "Starting FedAvg strategy:" in [line["message"] for line in lines]
    assert [line["event"] for line in lines if "event" in line][-1] == "training_end"
