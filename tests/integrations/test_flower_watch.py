from __future__ import annotations

from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from tocsin.integrations.flower_watch import MOST_RUNS, SuperLink


def run(number, status, sub_status="", **values):
    return SimpleNamespace(
        run_id=number,
        pending_at=f"2026-01-01T00:00:{number % 60:02}",
        status=SimpleNamespace(status=status, sub_status=sub_status),
        **{"bytes_sent": 5, "bytes_recv": 7, "clientapp_runtime": 1.5, **values},
    )


def registry_of(ask):
    registry = CollectorRegistry()
    registry.register(SuperLink(ask))
    return registry


def test_nodes_and_runs_are_counted_by_status():
    nodes = [SimpleNamespace(status=status) for status in ("online", "online", "offline")]
    runs = [
        run(2**63 + 1, "running"),
        run(2, "finished", "stopped"),
        run(3, "finished", "completed"),
        run(4, "pending", bytes_recv=None),
    ]
    registry = registry_of(lambda: (nodes, runs))
    assert registry.get_sample_value("flower_superlink_up") == 1
    assert registry.get_sample_value("flower_nodes", {"status": "online"}) == 2
    assert registry.get_sample_value("flower_nodes", {"status": "unregistered"}) == 0
    assert registry.get_sample_value("flower_runs", {"status": "finished:stopped"}) == 1
    statuses = [registry.get_sample_value("flower_run_status", {"run": str(each.run_id)}) for each in runs]
    assert statuses == [1, 3, 2, 0]
    assert registry.get_sample_value("flower_run_received_bytes_total", {"run": "2"}) == 7
    assert registry.get_sample_value("flower_run_received_bytes_total", {"run": "4"}) is None


def test_only_the_newest_runs_have_series_of_their_own():
    registry = registry_of(lambda: ([], [run(number, "running") for number in range(50)]))
    found = [
        sample
        for family in registry.collect()
        for sample in family.samples
        if family.name == "flower_run_status"
    ]
    assert len(found) == MOST_RUNS
    assert registry.get_sample_value("flower_run_status", {"run": "49"}) == 1
    assert registry.get_sample_value("flower_runs", {"status": "running"}) == 50


def test_a_superlink_that_is_away_is_down_and_told_once(caplog):
    def ask():
        raise ConnectionError("refused")

    registry = registry_of(ask)
    for _ in range(2):
        assert registry.get_sample_value("flower_superlink_up") == 0
    assert len(caplog.records) == 1
