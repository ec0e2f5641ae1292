from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tocsin.integrations import nvflare
from tocsin.integrations._nvflare_watcher import Watcher


class ScatterAndGather:
    _min_clients = 2


class FedAvg:
    num_clients = 1


class Server:
    """A server of FLARE, as far as its events show it."""

    def __init__(self, watcher, workflow=None, clients=("site-1", "site-2")):
        self.watcher, self.workflow = watcher, workflow or ScatterAndGather()
        self.names = list(clients)
        self.props = {"num_rounds": 3, "__workflow__": "wf"}
        self.signal = SimpleNamespace(triggered=False)
        self.peer = None

    def get_prop(self, name, default=None):
        return self.props.get(name, default)

    def get_engine(self):
        return SimpleNamespace(
            get_clients=lambda: [SimpleNamespace(name=name) for name in self.names],
            get_component=lambda name: self.workflow if name == "wf" else None,
        )

    def get_run_abort_signal(self):
        return self.signal

    def get_peer_context(self):
        return self.peer and SimpleNamespace(get_identity_name=lambda: self.peer)

    def get_identity_name(self):
        return "server"

    def fire(self, event, **props):
        self.props |= props
        self.watcher.handle_event(event, self)

    def contribution(self, client, accepted=True, metrics=None):
        self.peer = client
        result = metrics and SimpleNamespace(
            data=None, meta={"initial_metrics": metrics, "NUM_STEPS_CURRENT_ROUND": 10}
        )
        self.fire("_after_contribution_accept", _aggregation_accepted=accepted, _training_result_=result)
        self.peer = None

    def metric(self, client, name, value):
        data = {"track_key": name, "track_value": value}
        shareable = SimpleNamespace(get_peer_prop=lambda key, default: client, data=data, meta={})
        self.fire("fed.analytix_log_stats", __event_data__=shareable)


@pytest.fixture(autouse=True)
def _without_flare(monkeypatch):
    dxo = SimpleNamespace(from_shareable=lambda shareable: shareable)
    for name in ("nvflare", "nvflare.apis"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "nvflare.apis.dxo", dxo)
    monkeypatch.setenv("FL_METRICS_ENABLED", "NO")


def values(watcher):
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(generate_latest(watcher._fl._registry).decode())
        for sample in family.samples
        if "client" not in sample.labels
    }


def events(caplog):
    return [(record.event, record.data) for record in caplog.records if hasattr(record, "event")]


def test_rounds_losses_and_contributions_are_told(caplog):
    watcher = Watcher()
    server = Server(watcher)
    server.fire("_start_run")
    server.fire("_training_started")
    for number in range(3):
        server.fire("_round_started", current_round=number)
        server.contribution("site-1")
        server.contribution("site-2", accepted=number != 1)
        server.metric("site-1", "train_loss", 0.4)
        server.metric("site-2", "train_loss", 0.6)
        server.fire("_after_save_model")
        server.fire("_round_done")
    found = values(watcher)
    monitor = watcher._fl
    server.fire("_end_workflow")
    server.fire("_end_run")
    assert {name: found[name] for name in found if name.startswith("fl_") and "bucket" not in name} | {
        "fl_round_duration_seconds_sum": 0,
        "fl_round_duration_seconds_created": 0,
        "fl_clients_failed_created": 0,
        "fl_checkpoint_saved_created": 0,
    } == {
        "fl_round_current": 3,
        "fl_round_total": 3,
        "fl_round_duration_seconds_count": 3,
        "fl_round_duration_seconds_sum": 0,
        "fl_round_duration_seconds_created": 0,
        "fl_aggregated_loss": 0.5,
        "fl_aggregated_accuracy": 0,
        "fl_clients_connected": 2,
        "fl_clients_selected": 2,
        "fl_clients_responded": 2,
        "fl_clients_failed_total": 1,
        "fl_clients_failed_created": 0,
        "fl_checkpoint_saved_total": 3,
        "fl_checkpoint_saved_created": 0,
        "fl_training_status": 1,
    }
    assert monitor._registry.get_sample_value("fl_training_status") == 2
    assert [name for name, _ in events(caplog)].count("round_end") == 3
    assert dict(events(caplog))["training_start"]["strategy"] == "ScatterAndGather"
    assert dict(events(caplog))["client_failure"]["error_type"] == "contribution not accepted"


def test_who_is_silent_and_who_leaves_is_told_and_metrics_of_models_count(caplog):
    watcher = Watcher(strategy="mine")
    server = Server(watcher, clients=("a", "b", "c"))
    server.fire("_round_started", current_round=0)
    server.contribution("a", metrics={"accuracy": 0.5, "val_loss": 2.0})
    server.contribution("b", metrics={"accuracy": 1.0})
    server.names.remove("c")
    server.fire("_round_started", current_round=1)
    told = events(caplog)
    assert ("client_failure", {"round": 1, "node_id": "c", "error_type": "no reply"}) in told
    assert dict(told)["round_end"]["aggregated_accuracy"] == 0.75
    assert dict(told)["round_end"]["aggregated_loss"] == 2.0
    assert dict(told)["client_leave"]["node_id"] == "c"


def test_a_workflow_that_samples_clients_blames_nobody(caplog):
    server = Server(Watcher(), workflow=FedAvg())
    server.fire("_round_started", current_round=0)
    server.contribution("site-2")
    server.fire("_end_workflow")
    assert "client_failure" not in dict(events(caplog))


@pytest.mark.parametrize("how", ["fatal", "abort"])
def test_a_job_that_ends_badly_has_failed(how):
    watcher = Watcher()
    server = Server(watcher)
    server.fire("_round_started", current_round=0)
    monitor = watcher._fl
    if how == "fatal":
        server.fire("_fatal_system_error")
    server.signal.triggered = how == "abort"
    server.fire("_end_workflow")
    server.signal.triggered = True
    server.fire("_end_run")
    assert monitor._registry.get_sample_value("fl_training_status") == 3


def test_nothing_that_flare_says_raises(caplog):
    watcher = Watcher()
    server = Server(watcher)
    server.fire("_round_started", current_round="x")
    server.fire("fed.analytix_log_stats", __event_data__=None)
    server.fire("_after_contribution_accept")
    server.get_engine = None
    server.fire("_round_started", current_round=1)
    server.fire("_end_run")


def test_the_class_is_made_of_flares_when_it_is_asked_for(monkeypatch):
    class FLComponent:
        def __init__(self):
            self.ready = True

    monkeypatch.setitem(sys.modules, "nvflare.apis.fl_component", SimpleNamespace(FLComponent=FLComponent))
    nvflare._round_watcher.cache_clear()
    watcher = nvflare.RoundWatcher(strategy="x", port=0)
    assert watcher.ready
    assert nvflare.RoundWatcher is type(watcher)
    assert type(watcher).__name__ == "RoundWatcher"
    nvflare._round_watcher.cache_clear()
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        nvflare.Other  # noqa: B018


def test_the_settings_of_sites_are_printed(capsys):
    assert nvflare.main(["render", "site-1", "--port", "19125"]) == 0
    files = json.loads(capsys.readouterr().out)
    assert set(files) == {
        "server/local/resources.json",
        "site-1/local/resources.json",
        "app_server/config/config_fed_server.json",
        "app_site-1/config/config_fed_client.json",
    }
    resources = files["site-1/local/resources.json"]
    used = {each["path"] for content in files.values() for each in content["components"]}
    assert used == set(resources["class_allow_list"])
    ids = [each["id"] for content in files.values() for each in content["components"]]
    assert ids.count("tocsin_rounds") == 1
    assert resources["components"][1]["args"] == {"site": "site-1", "host": "127.0.0.1", "port": 19125}
