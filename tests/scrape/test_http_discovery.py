from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from tests.support.ports import free_port
from tocsin.config.scrape import HttpDiscoveryConfig, ScrapeConfig
from tocsin.scrape import http_discovery
from tocsin.scrape.discovery import discoveries
from tocsin.scrape.http_discovery import HttpDiscovery

GROUPS = [{"targets": ["a:1", "a:2"], "labels": {"x": "1"}}]


class Answering(ThreadingHTTPServer):
    """Answers what it is told to, and remembers the headers of what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.content_type = "application/json; charset=utf-8"
        self.body = json.dumps(GROUPS).encode()
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/targets"


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Type", self.server.content_type)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Asking:
    """A discovery whose next question is due whenever it is asked."""

    def __init__(self, url: str, **config: object) -> None:
        self._now_s = 0.0
        self.discovery = HttpDiscovery(HttpDiscoveryConfig(url=url, **config), lambda: self._now_s)

    def targets(self) -> list[str]:
        self._now_s += 60
        return [target for group in self.discovery.groups() for target in group.targets]

    @property
    def problem(self) -> str:
        return "".join(self.discovery.problems.values())


def test_a_server_names_targets(server):
    asking = Asking(server.url, basic_auth={"username": "u", "password": "p"})
    assert asking.targets() == ["a:1", "a:2"]
    (group,) = asking.discovery.groups()
    assert group.labels == {"__meta_url": server.url, "x": "1"}
    (headers,) = server.asked
    assert headers["Accept"] == "application/json"
    assert headers["X-Prometheus-Refresh-Interval-Seconds"] == "60"
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'u:p').decode()}"
    assert asking.problem == ""


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 503}, "HTTP status 503"),
        ({"content_type": "text/html"}, 'Content-Type "text/html", not application/json'),
        ({"body": b"[{"}, "not valid JSON"),
        ({"body": b'{"targets": []}'}, "must be a list, not a mapping"),
        ({"body": b'[{"targets": ["http://a/"]}]'}, "not a valid host:port"),
        ({"body": b"\xff"}, "not valid JSON"),
        ({"body": b" " * 2000}, "more than 0 MiB"),
    ],
)
def test_without_a_good_answer_targets_stay(server, monkeypatch, caplog, fault, message):
    monkeypatch.setattr(http_discovery, "MAX_BODY_BYTES", 1000)
    asking = Asking(server.url)
    assert asking.targets() == ["a:1", "a:2"]
    good = {name: getattr(server, name) for name in fault}
    for name, value in fault.items():
        setattr(server, name, value)
    for _ in range(2):
        assert asking.targets() == ["a:1", "a:2"]
        assert message in asking.problem
    assert len(caplog.records) == 1, "reported once"
    for name, value in good.items():
        setattr(server, name, value)
    assert asking.targets() == ["a:1", "a:2"]
    assert asking.problem == ""


def test_a_server_that_is_away_is_a_problem(server):
    asking = Asking(f"http://127.0.0.1:{free_port()}/")
    assert asking.targets() == []
    assert "cannot reach" in asking.problem


def test_it_is_asked_once_an_interval(server):
    discovery = HttpDiscovery(HttpDiscoveryConfig(url=server.url), lambda: 0.0)
    assert discovery.groups() == discovery.groups()
    assert len(server.asked) == 1


@pytest.mark.parametrize("url", ["", "example.org/targets", "ftp://example.org", "http://"])
def test_faults_of_the_url(url):
    with pytest.raises(ValidationError, match="must begin with http"):
        HttpDiscoveryConfig(url=url)


def test_a_job_has_it(server):
    job = ScrapeConfig(job_name="j", http_sd_configs=({"url": server.url},))
    assert [type(source) for source in discoveries(job)] == [HttpDiscovery]
