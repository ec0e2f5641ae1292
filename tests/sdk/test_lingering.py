from __future__ import annotations

import os
import socket
import threading
import time
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge

from tests.sdk.receiver import wait_until
from tocsin.runtime import announce, runtime_dir
from tocsin.sdk import FederatedMonitor
from tocsin.sdk.clients import ClientSeries
from tocsin.sdk.lingering import LingeringEndpoint
from tocsin.sdk.training import Status


def scraped(port, by="Prometheus/3.0"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"User-Agent": by})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until_closed(port):
    deadline_s = time.monotonic() + 10
    while is_open(port):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_regular_scraper_sees_the_end():
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    for _ in range(2):
        assert "fl_training_status 1.0" in scraped(fl.port)
        time.sleep(0.5)
    began_s = time.monotonic()
    fl.end()
    assert time.monotonic() - began_s < 0.3, "the program does not wait"
    assert "fl_training_status 2.0" in scraped(fl.port)
    until_closed(fl.port)
    assert list((runtime_dir() / "targets").glob("*")) == []


def test_who_is_not_scraped_regularly_closes_at_once():
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    scraped(fl.port)
    fl.end()
    assert not is_open(fl.port)


def announce_server(url):
    return announce("servers", f"{os.getpid()}.json", {"pid": os.getpid(), "url": url})


@pytest.mark.parametrize("linger", [True, False], ids=["lingering", "at once"])
def test_a_tocsin_on_this_machine_is_sent_the_end_and_not_waited_for(receiver, linger):
    server = announce_server(receiver.url)
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    fl.round_start(1, selected=["a"])
    scraped(fl.port, by="tocsin/1.0")
    time.sleep(2.5)
    scraped(fl.port, by="tocsin/1.0")
    began_s = time.monotonic()
    fl.end(Status.FAILED, linger=linger)
    until_closed(fl.port)
    server.unlink()
    assert time.monotonic() - began_s < 2, "the next scrape was not due before"
    (status,) = receiver.of("fl_training_status")
    assert status.value == 3
    assert status.labels == f'instance="{socket.gethostname()}",job="federated"'
    assert receiver.of("fl_round_current")[0].labels.endswith('strategy="FedAvg"')
    assert receiver.values("fl_clients_selected") == [1]


def test_who_else_scrapes_is_waited_for_though_a_tocsin_knows_the_end(receiver):
    server = announce_server(receiver.url)
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    for _ in range(2):
        scraped(fl.port, by="tocsin/1.0")
        scraped(fl.port)
        time.sleep(0.5)
    fl.end()
    wait_until(lambda: receiver.values("fl_training_status") == [2])
    server.unlink()
    scraped(fl.port, by="tocsin/1.0")
    time.sleep(0.3)
    assert "fl_training_status 2.0" in scraped(fl.port)
    until_closed(fl.port)


@pytest.mark.parametrize("status", [401, 500])
def test_a_tocsin_that_takes_nothing_is_waited_for_as_all_others(receiver, status):
    receiver.status = status
    server = announce_server(receiver.url)
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    for _ in range(2):
        scraped(fl.port, by="tocsin/1.0")
        time.sleep(0.5)
    fl.end()
    wait_until(lambda: receiver.requests)
    server.unlink()
    assert "fl_training_status 2.0" in scraped(fl.port, by="tocsin/1.0")
    until_closed(fl.port)


def test_a_tocsin_that_hangs_holds_up_for_a_second(receiver):
    receiver.holding.set()
    server = announce_server(receiver.url)
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    began_s = time.monotonic()
    fl.end()
    assert time.monotonic() - began_s < 0.5, "the program does not wait"
    until_closed(fl.port)
    server.unlink()
    assert 0.9 < time.monotonic() - began_s < 5


def test_a_scraper_that_went_away_is_waited_for_a_little_and_not_for_ever():
    endpoint = LingeringEndpoint(0, CollectorRegistry(), "federated")
    for _ in range(2):
        scraped(endpoint.port)
        time.sleep(0.2)
    endpoint.close()
    until_closed(endpoint.port)


def test_who_wants_the_port_again_gets_it():
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    scraped(fl.port)
    time.sleep(2)
    scraped(fl.port)
    fl._wanted_port = fl.port
    fl.end()
    fl.start()
    assert "fl_training_status 1.0" in scraped(fl.port)
    fl.end(linger=False)
    assert not is_open(fl.port)
    assert not [each for each in threading.enumerate() if each.name == "tocsin-last-scrape"]


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_keeps_no_port_and_can_open_its_own():
    fl = FederatedMonitor("FedAvg", port=0)
    fl.start()
    port = fl.port
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(ready, 1)
        fl.end()
        with FederatedMonitor("FedAvg", port=port) as own:
            os._exit(0 if own.port == port and "fl_training_status 1.0" in scraped(port) else 1)
    try:
        assert "fl_training_status 1.0" in scraped(port)
        fl.end()
        assert not is_open(port), "the child held the socket"
    finally:
        os.write(go, b"x")
        _, status = os.waitpid(child, 0)
        os.close(ready), os.close(go)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_name_outlives_the_client_that_had_it():
    registry = CollectorRegistry()
    clients = ClientSeries(registry)
    clients.note("10", "site-1", examples=1)
    clients.note("11", "site-1", examples=2)
    assert registry.get_sample_value("fl_client_examples", {"client": "site-1"}) == 2
    clients.forget("10")
    assert registry.get_sample_value("fl_client_examples", {"client": "site-1"}) == 2
    clients.forget("11")
    assert registry.get_sample_value("fl_client_examples", {"client": "site-1"}) is None


def test_gauges_of_the_registry_are_served_as_they_are():
    registry = CollectorRegistry()
    Gauge("g", "A gauge.", registry=registry).set(3)
    endpoint = LingeringEndpoint(0, registry, "federated")
    assert "g 3.0" in scraped(endpoint.port)
    endpoint.close(linger=False)
