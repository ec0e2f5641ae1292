from __future__ import annotations

import json
import logging
import sys

import pytest
from prometheus_client import CollectorRegistry

from tests.integrations.flower_fakes import Grid, Strategy, begin, failure
from tocsin.errors import UsageError
from tocsin.integrations._flower_nodes import Nodes
from tocsin.integrations.flower import client_mod, monitor
from tocsin.sdk.federated import FederatedMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.json_log import JsonFormatter


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("FL_METRICS_ENABLED", "NO")
    monkeypatch.delenv("FL_LOG_FORMAT", raising=False)


@pytest.fixture(autouse=True)
def logger():
    """Flower's logger as Flower makes it; monitors change it, and each test has it anew."""
    logger = logging.getLogger("flwr")
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    logger.handlers = []
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture
def events(logger):
    written = []

    class Handler(logging.Handler):
        def emit(self, record):
            if hasattr(record, "event"):
                written.append((record.event, record.data))

    logger.addHandler(Handler())
    return written


@pytest.fixture
def registry():
    return CollectorRegistry()


def of(events, name):
    return [data for event, data in events if event == name]


def test_importing_it_imports_no_framework():
    assert "flwr" not in sys.modules


def test_rounds_losses_and_clients_are_told_and_the_strategy_stays_what_it_was(registry, events):
    plain = Strategy()
    strategy = monitor(plain, registry=registry)
    result = strategy.start(Grid(), begin(), 2)
    assert isinstance(strategy, Strategy)
    assert plain.said == "Starting Strategy"
    assert list(result["w"].numpy()) == [1.0, 1.0]
    values = {
        ("fl_round_current", "Strategy"): 2,
        ("fl_round_total", "Strategy"): 2,
        ("fl_round_duration_seconds_count", "Strategy"): 2,
        ("fl_aggregated_loss", "Strategy"): 0.5,
        ("fl_aggregated_accuracy", "Strategy"): 0.75,
        ("fl_clients_selected", ""): 2,
        ("fl_clients_responded", ""): 2,
        ("fl_clients_failed_total", ""): 0,
        ("fl_training_status", ""): 2,
    }
    for (name, label), value in values.items():
        assert registry.get_sample_value(name, {"strategy": label} if label else {}) == value, name
    assert registry.get_sample_value("fl_client_examples", {"client": "1"}) == 10
    names = [event for event, _ in events if event not in {"client_join", "client_leave"}]
    one_round = ["round_start", "evaluation_result", "round_end"]
    assert names == ["training_start", *one_round, *one_round, "training_end"]
    assert of(events, "training_start")[0] == {"strategy": "Strategy", "num_rounds": 2, "min_clients": 2}


def test_failures_are_those_of_whom_the_message_went_to_and_count_once_a_round(registry, events):
    grid = Grid(nodes=[2**63 + 1, 2, 3, 4])
    grid.answers = {
        2**63 + 1: failure(2, "<class 'pkg.PlannedError'>:<'x'>"),
        2: failure(5, "Node Unavailable", node=1),
        3: lambda message: None,
    }
    strategy = monitor(Strategy(), registry=registry)
    strategy.start(grid, begin(), 1)
    told = {each["node_id"]: each["error_type"] for each in of(events, "client_failure")}
    assert told == {str(2**63 + 1): "PlannedError", "2": "NODE_UNAVAILABLE", "3": "no reply"}
    assert registry.get_sample_value("fl_clients_failed_total") == 3
    assert registry.get_sample_value("fl_clients_responded") == 1


@pytest.mark.parametrize("ending", [SystemExit(0), KeyboardInterrupt(), RuntimeError("x")])
def test_whatever_ends_a_training_from_outside_ends_its_status(registry, events, ending):
    def evaluate(number, arrays):
        if number == 1:
            raise ending

    strategy = monitor(Strategy(), registry=registry)
    with pytest.raises(type(ending)):
        strategy.start(Grid(), begin(), num_rounds=3, evaluate_fn=evaluate)
    assert registry.get_sample_value("fl_training_status") == 3
    assert len(of(events, "training_end")) == 1


def test_it_is_idle_until_it_has_its_first_nodes(registry):
    seen = []

    class Waiting(Strategy):
        def configure_train(self, server_round, *args):
            seen.append(registry.get_sample_value("fl_training_status"))
            return super().configure_train(server_round, *args)

    monitor(Waiting(), registry=registry).start(Grid(), begin(), 2)
    assert seen == [0, 1]


def test_nodes_that_come_and_go_and_a_long_wait_are_told(registry, events):
    now = [0.0]
    fl = FederatedMonitor("FedAvg", registry=registry, logger=logging.getLogger("flwr"))
    nodes = Nodes(fl, Guard("test"), stalled_after_s=30, interval_s=3600, clock=lambda: now[0])
    grid = Grid(nodes=[7])
    nodes.required = 2
    nodes.waiting()
    for now[0] in (0.0, 29.0, 31.0, 59.0, 61.0, 119.0):
        nodes.look(grid)
    assert [each["waiting_since_seconds"] for each in of(events, "training_stalled")] == [31.0, 61.0]
    assert of(events, "training_stalled")[0] == {
        "round": 0,
        "waiting_since_seconds": 31.0,
        "connected_clients": 1,
        "required_clients": 2,
    }
    grid.nodes = [8]
    nodes.found()
    now[0] = 1000.0
    nodes.look(grid)
    assert of(events, "client_leave")[0]["node_id"] == "7"
    assert of(events, "client_join")[-1]["node_id"] == "8"
    assert len(of(events, "training_stalled")) == 2
    assert registry.get_sample_value("fl_clients_connected") == 1


def test_a_grid_that_fails_when_it_is_asked_for_nodes_is_told_once(registry, caplog):
    class Broken(Grid):
        def get_node_ids(self):
            raise ConnectionError("401")

    fl = FederatedMonitor("FedAvg", registry=registry)
    nodes = Nodes(fl, Guard("test"), stalled_after_s=30, interval_s=1)
    for _ in range(3):
        nodes.look(Broken())
    assert [record.name for record in caplog.records] == ["tocsin"]


def test_messages_of_a_shape_that_is_not_known_disturb_nothing(registry):
    class Odd(Grid):
        def send_and_receive(self, messages, *, timeout=None):
            for reply in (replies := super().send_and_receive(messages)):
                del reply.metadata.created_at, reply.metadata.reply_to_message_id
            return replies

    monitor(Strategy(), registry=registry).start(Odd(), begin(), 2)
    assert registry.get_sample_value("fl_training_status") == 2


def test_a_strategy_of_its_own_making_that_pushes_and_pulls_is_watched(registry):
    class Own(Strategy):
        def start(self, grid, initial_arrays, num_rounds=1):
            ids = grid.push_messages(self.configure_train(1, initial_arrays, {}, grid))
            for each in ids:
                grid.pull_messages([each])

    monitor(Own(), registry=registry).start(Grid(nodes=[1, 2, 3]), begin())
    assert registry.get_sample_value("fl_clients_selected") == 3
    assert registry.get_sample_value("fl_clients_responded") == 3


def test_a_call_that_does_not_fit_fails_as_it_would_without_a_monitor():
    with pytest.raises(TypeError, match="unexpected keyword argument 'rounds'"):
        monitor(Strategy()).start(Grid(), begin(), rounds=3)


def test_the_monitor_takes_checkpoints_and_other_names_of_values(registry, events, tmp_path):
    strategy = monitor(
        Strategy(), name="mine", loss_keys=["num-examples"], accuracy_keys=[], registry=registry
    )
    model = tmp_path / "model.npz"
    model.write_bytes(b"12345")
    strategy.start(
        Grid(),
        begin(),
        1,
        evaluate_fn=lambda number, arrays: strategy.fl_monitor.checkpoint_saved(number, model),
    )
    assert registry.get_sample_value("fl_checkpoint_saved_total") == 2
    assert of(events, "checkpoint_saved")[1] == {"round": 1, "path": str(model), "size_bytes": 5}
    assert registry.get_sample_value("fl_aggregated_loss", {"strategy": "mine"}) == 10
    assert of(events, "evaluation_result")[0]["accuracy"] is None


def test_it_may_be_wrapped_and_started_twice(registry):
    strategy = monitor(monitor(Strategy()), registry=registry)
    strategy.start(Grid(), begin(), 1)
    strategy.start(Grid(), begin(), 1)
    assert registry.get_sample_value("fl_round_duration_seconds_count", {"strategy": "Strategy"}) == 2
    assert type(strategy).__mro__[2] is Strategy


def test_what_is_no_strategy_is_refused_with_what_to_use():
    class FedAvg:
        def configure_fit(self):
            pass

    with pytest.raises(
        UsageError, match=r"old API; use the one of the same name in flwr\.serverapp\.strategy"
    ):
        monitor(FedAvg())
    with pytest.raises(UsageError, match=r"builtins\.int is no strategy of Flower: it lacks configure_train"):
        monitor(3)


def test_a_fault_of_the_mod_leaves_the_answer_as_it_is():
    assert client_mod("message", None, lambda message, context: message + "!") == "message!"


def test_a_handler_that_writes_records_by_itself_writes_json(monkeypatch):
    class Colourful(logging.StreamHandler):
        def format(self, record):
            return f"*** {record.getMessage()} ***"

    monkeypatch.setenv("FL_LOG_FORMAT", "json")
    logger, handler = logging.getLogger("flwr"), Colourful()
    monkeypatch.setattr(logger, "handlers", [handler])
    monitor(Strategy())
    record = logging.LogRecord("flwr", logging.INFO, "app.py", 7, "round %d", (1,), None)
    assert isinstance(handler.formatter, JsonFormatter)
    assert json.loads(handler.format(record))["message"] == "round 1"
