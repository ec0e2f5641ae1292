"""Rules of quality in a real server: every way in passes them, and the sender hears nothing of it."""

from __future__ import annotations

import socket
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge, push_to_gateway

from tests.support.clock import ManualClock
from tests.support.ports import free_port
from tests.support.process import running_tocsin
from tocsin.config import parse_source, validate
from tocsin.config.settings import Settings
from tocsin.model import Labels, SampleBatch
from tocsin.receive import encode_write_request
from tocsin.server.stores import open_storage
from tocsin.storage import DuckDBStorage
from tocsin.storage.forward import ForwardingStorage, inner_of
from tocsin.storage.quality import QualityStorage, behind_quality

CONFIG = """
collectors: {enabled: false, interval: 200ms}
statsd: {listen: "127.0.0.1:%d", flush_interval: 100ms}
push: {interval: 200ms}
rule_files: [rules.yml]
quality:
  enrichment:
    - labels: {team: vision}
    - lookup: {file: nodes.csv, key: instance}
  validation:
    - {metric: accuracy, range: [0, 1]}
    - {match: '{__name__=~".+_total"}', monotonic: true}
  outliers:
    - {metric: loss, window: 10, min_samples: 5}
  sampling:
    - {metric: noisy, keep_every: 10s}
"""
RULES = "groups: [{name: g, interval: 200ms, rules: [{record: recorded, expr: vector(1)}]}]"


@pytest.fixture(scope="module")
def statsd_port():
    return free_port()


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory, statsd_port):
    folder = tmp_path_factory.mktemp("quality")
    (folder / "nodes.csv").write_text("instance,rack\na:1,r1\n")
    (folder / "rules.yml").write_text(RULES)
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with running_tocsin(folder, CONFIG % statsd_port, environment=environment) as tocsin:
        yield tocsin


@pytest.fixture
def client(tocsin):
    with httpx.Client(base_url=tocsin.url, trust_env=False, timeout=30) as client:
        yield client


def post(client, lines: list[str]) -> None:
    answer = client.post("/api/v1/import/prometheus", content="\n".join(lines) + "\n")
    assert answer.status_code == 204, answer.text


def write(client, *samples: tuple[Labels, int, float]) -> httpx.Response:
    body = encode_write_request(SampleBatch.from_samples(samples))
    headers = {"content-encoding": "snappy", "content-type": "application/x-protobuf"}
    return client.post("/api/v1/write", content=body, headers=headers)


def wait_for(find, timeout_s: float = 10.0):
    deadline = time.monotonic() + timeout_s
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def figure(client, name: str, reason: str) -> float:
    start = f'tocsin_quality_{name}_samples_total{{reason="{reason}"}} '
    text = client.get("/metrics").text
    return next((float(line.removeprefix(start)) for line in text.splitlines() if line.startswith(start)), -1)


def values(tocsin, selector: str) -> list[tuple[float, float]]:
    found = tocsin.query(f"{selector}[1h]")
    return [(float(at), float(value)) for series in found for at, value in series["values"]]


async def test_the_store_is_wrapped_only_where_there_are_rules(tmp_path):
    engine = "remote_write: [{url: 'http://127.0.0.1:1/write', name: elsewhere}]"
    rule = "quality: {sampling: [{metric: a, keep_every: 10s}]}"
    found = []
    for number, text in enumerate(("quality: {}", rule, engine, f"{engine}\n{rule}")):
        settings = validate(Settings, parse_source(text, "t.yml"))
        storage = open_storage(settings, tmp_path / str(number), ManualClock())
        found.append([type(storage), type(behind_quality(storage)), type(inner_of(behind_quality(storage)))])
        await storage.close()
    assert found == [
        [DuckDBStorage, DuckDBStorage, DuckDBStorage],
        [QualityStorage, DuckDBStorage, DuckDBStorage],
        [ForwardingStorage, ForwardingStorage, DuckDBStorage],
        [QualityStorage, ForwardingStorage, DuckDBStorage],
    ]


def test_every_way_in_is_enriched(tocsin, client, statsd_port):
    now_ms = int(time.time() * 1000)
    post(client, [f'by_text{{instance="a:1"}} 1 {now_ms}'])
    assert (
        write(client, (Labels({"__name__": "by_write", "instance": "a:1"}), now_ms, 1.0)).status_code == 204
    )
    registry = CollectorRegistry()
    Gauge("by_push", "Pushed.", registry=registry).set(1)
    push_to_gateway(tocsin.url, "job", registry, grouping_key={"instance": "a:1"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"by_statsd:1|g|#instance:a:1", ("127.0.0.1", statsd_port))
    for name in ("by_text", "by_write", "by_push", "by_statsd"):
        (found,) = wait_for(lambda name=name: tocsin.query(name))
        assert found["metric"]["team"] == "vision", name
        assert found["metric"]["rack"] == "r1", name
    (found,) = wait_for(lambda: tocsin.query("recorded"))
    assert found["metric"] == {"__name__": "recorded", "team": "vision"}
    wait_for(lambda: figure(client, "changed", "enrichment") >= 5)


def test_a_dropped_sample_is_a_success_for_the_sender(tocsin, client):
    now_ms = int(time.time() * 1000)
    labels = Labels({"__name__": "accuracy", "run": "a"})
    answer = write(client, (labels, now_ms - 1000, 0.5), (labels, now_ms, 1.5))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "2"
    assert [value for _, value in values(tocsin, "accuracy")] == [0.5]
    wait_for(lambda: figure(client, "dropped", "validation_range") == 1)
    line = f'accuracy{{run="a",team="vision"}} 1.5 at {now_ms / 1000:.3f}'
    assert f"quality.validation[0]: samples dropped: 1 (validation_range), such as {line}" in tocsin.output()


def test_a_counter_that_falls_is_refused(tocsin, client):
    now_ms = int(time.time() * 1000)
    for at, value in enumerate((100, 99, 101, 3)):
        post(client, [f"steps_total {value} {now_ms - 1000 + at}"])
    assert [value for _, value in values(tocsin, "steps_total")] == [100, 101, 3]


def test_outliers_are_marked_and_the_mark_ends(tocsin, client):
    now_ms = int(time.time() * 1000)
    losses = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 40.0]
    for at, value in enumerate(losses):
        post(client, [f'loss{{run="a"}} {value} {now_ms - 1000 + at}'])
    (mark,) = tocsin.query('loss:outlier{run="a"} == 1')
    assert mark["metric"]["team"] == "vision"
    ((at_s, _),) = values(tocsin, "loss:outlier")
    assert at_s == (now_ms - 1000 + len(losses) - 1) / 1000
    assert len(values(tocsin, "loss")) == len(losses)
    post(client, [f'loss{{run="a"}} 1.0 {now_ms}'])
    assert tocsin.query("loss:outlier") == []


def test_a_noisy_series_is_sampled(tocsin, client):
    first_ms = int(time.time() * 1000) // 10_000 * 10_000 - 60_000
    post(client, [f"noisy {at} {first_ms + at * 1000}" for at in range(40)])
    assert [value for _, value in values(tocsin, "noisy")] == [0, 10, 20, 30]


def test_a_lookup_file_is_read_again(tmp_path):
    nodes = tmp_path / "nodes.csv"
    nodes.write_text("instance,rack\na:1,r1\n")
    config = (
        "collectors: {enabled: false}\nquality: {enrichment: [{lookup: {file: nodes.csv, key: instance}}]}"
    )
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    with (
        running_tocsin(tmp_path, config, environment=environment) as tocsin,
        httpx.Client(base_url=tocsin.url, trust_env=False) as client,
    ):
        nodes.write_text("instance,rack\na:1,second\n")

        def arrived() -> list:
            post(client, [f'up{{instance="a:1"}} 1 {int(time.time() * 1000)}'])
            return tocsin.query('up{rack="second"}')

        wait_for(arrived, 20)
        (only,) = tocsin.query("up")
        assert only["metric"]["rack"] == "second", "the series under the old name has ended"
