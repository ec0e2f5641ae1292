"""StatsD lines sent to a real process are series a moment later."""

from __future__ import annotations

import socket
import time

import pytest

from tests.support.ports import free_port
from tests.support.process import running_tocsin


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statsd")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    port = free_port()
    config = f"""
collectors: {{enabled: false}}
statsd:
  listen: "127.0.0.1:{port}"
  flush_interval: 100ms
  mapping: {{mappings: [{{match: web.*, name: web_requests, labels: {{site: $1}}}}]}}
"""
    with running_tocsin(folder, config, environment=environment) as tocsin:
        yield tocsin, port


def value_of(tocsin, query):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := tocsin.query(query):
            return float(found[0]["value"][1])
        time.sleep(0.05)
    raise AssertionError(f"{query} has no series")


def test_datagrams_and_streams_arrive(scene):
    tocsin, port = scene
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"_round_time_taken:320|ms|#role:server\nweb.berlin:2|c\n", ("127.0.0.1", port))
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(b"depth:7|g\n")
    assert value_of(tocsin, '_round_time_taken_sum{role="server"}') == 0.32
    assert value_of(tocsin, 'web_requests{site="berlin"}') == 2
    assert value_of(tocsin, "depth") == 7


def test_a_port_that_is_taken_is_a_sentence(scene, tmp_path):
    _, port = scene
    config = f'statsd: {{listen: "127.0.0.1:{port}"}}\ncollectors: {{enabled: false}}'
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    with (
        pytest.raises(AssertionError, match=rf"ended with 2:\n.*{port}"),
        running_tocsin(tmp_path, config, environment=environment),
    ):
        pass
    assert "Traceback" not in (tmp_path / "tocsin.log").read_text()
