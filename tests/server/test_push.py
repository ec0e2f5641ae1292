"""Jobs that push and end, and senders of remote write 2.0, against a real process."""

from __future__ import annotations

import time

import cramjam
import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import (
    default_handler,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)

from tests.support.process import running_tocsin
from tocsin.receive import remote_write_v2_messages as messages

WRITTEN = "X-Prometheus-Remote-Write-{}-Written"
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    config = "collectors: {enabled: false}\npush: {interval: 200ms, max_series: 20}"
    with running_tocsin(folder, config, environment=environment) as tocsin:
        yield tocsin


@pytest.fixture
def client(tocsin):
    with httpx.Client(base_url=tocsin.url, trust_env=False, timeout=30) as client:
        yield client


def registry(**gauges: float) -> CollectorRegistry:
    made = CollectorRegistry()
    for name, value in gauges.items():
        Gauge(name, f"The {name}.", registry=made).set(value)
    return made


def values(tocsin, selector: str) -> dict[str, float]:
    found = tocsin.query(f'{{__name__!~"push_.*",{selector}}}')
    return {each["metric"]["__name__"]: float(each["value"][1]) for each in found}


def wait_until(condition, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_client_library_pushes_adds_and_deletes(tocsin):
    push_to_gateway(tocsin.url, "batch", registry(a=1, b=2))
    assert values(tocsin, 'job="batch"') == {"a": 1, "b": 2}
    pushadd_to_gateway(tocsin.url, "batch", registry(b=3, c=4))
    assert values(tocsin, 'job="batch"') == {"a": 1, "b": 3, "c": 4}
    push_to_gateway(tocsin.url, "batch", registry(c=5))
    assert values(tocsin, 'job="batch"') == {"c": 5}
    (pushed,) = tocsin.query('time() - push_time_seconds{job="batch"}')
    assert 0 <= float(pushed["value"][1]) < 30
    delete_from_gateway(tocsin.url, "batch")
    assert tocsin.query('{job="batch"}') == []


def test_counters_histograms_and_compression(tocsin):
    made = CollectorRegistry()
    Counter("things", "Things.", registry=made).inc(3)
    Histogram("took_seconds", "Time.", registry=made, buckets=(1,)).observe(0.5)
    push_to_gateway(tocsin.url, "kinds", made, compression="gzip")
    found = values(tocsin, 'job="kinds"')
    assert found["things_total"] == 3
    assert found["took_seconds_count"] == 1
    metadata = httpx.get(f"{tocsin.url}/api/v1/metadata", trust_env=False).json()["data"]
    assert metadata["took_seconds"][0]["type"] == "histogram"


@pytest.mark.parametrize("value", ["a/b", "", "Προμηθεύς", "with space", "50%"])
def test_the_client_library_writes_any_grouping_key(tocsin, client, value):
    key = {"instance": value, "other": "x"}
    push_to_gateway(tocsin.url, "keys/all", registry(keyed=7), grouping_key=key)
    (found,) = tocsin.query('keyed{job="keys/all"}')
    assert found["metric"].get("instance", "") == value
    delete_from_gateway(tocsin.url, "keys/all", grouping_key=key)
    assert tocsin.query('keyed{job="keys/all"}') == []


def test_a_group_is_shown_until_its_time_is_over(tocsin):
    def with_ttl(url, method, timeout, headers, data):
        return default_handler(url, method, timeout, [*headers, ("X-Tocsin-TTL", "1s")], data)

    pushed_s = time.time()
    push_to_gateway(tocsin.url, "short", registry(brief=1), handler=with_ttl)
    push_to_gateway(tocsin.url, "long", registry(brief=2))
    wait_until(lambda: not tocsin.query('brief{job="short"}'))
    assert time.time() - pushed_s >= 0.9
    (range_,) = tocsin.query('brief{job="short"}[1m]')
    assert len(range_["values"]) >= 4, "it was sampled again and again"
    assert tocsin.query('brief{job="long"}')


def test_the_parameter_wins_over_the_header(client):
    answer = client.put("/metrics/job/ttl?ttl=2h", content=b"a 1\n", headers={"x-tocsin-ttl": "1s"})
    assert (answer.status_code, answer.content) == (200, b"")
    groups = client.get("/api/tocsin/pushed").json()["data"]
    (group,) = [group for group in groups if group["labels"] == {"job": "ttl"}]
    assert group["expires"] - group["pushed"] == 7200
    assert group["series"] == 3


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/metrics/job/bad", "a 1 1700000000000\n", "must not have timestamps"),
        ("/metrics/job/bad", "a one\n", "line 1"),
        ("/metrics/job/bad", "a 1\na 2\n", "repeat a series"),
        ("/metrics/job/bad", "".join(f"a{n} 1\n" for n in range(30)), "push.max_series allows 20"),
    ],
)
def test_a_refused_push_is_noted(client, tocsin, path, body, sentence):
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert tocsin.query('push_failure_time_seconds{job="bad"} > push_time_seconds')
    assert values(tocsin, 'job="bad"') == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/metrics/instance/a", 400),
        ("PUT", "/metrics/job/a?ttl=0s", 400),
        ("DELETE", "/metrics/job/a/b", 400),
        ("DELETE", "/metrics/job/nobody", 202),
        ("GET", "/metrics/job/a", 405),
        ("PUT", "/metrics", 405),
    ],
)
def test_status_codes(client, method, path, status):
    assert client.request(method, path).status_code == status


def test_protobuf_is_refused(client):
    headers = {"content-type": "application/vnd.google.protobuf; encoding=delimited"}
    answer = client.put("/metrics/job/a", content=b"x", headers=headers)
    assert answer.status_code == 415


def test_a_foreign_page_may_not_push(client):
    for method in ("PUT", "POST", "DELETE"):
        answer = client.request(method, "/metrics/job/a", headers={"origin": "http://evil.example"})
        assert answer.status_code == 403


def test_groups_survive_a_restart(tmp_path):
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    config = "collectors: {enabled: false}\npush: {interval: 200ms}"
    with running_tocsin(tmp_path, config, environment=environment) as tocsin:
        push_to_gateway(tocsin.url, "batch", registry(a=1))
    restarted_s = time.time()
    with running_tocsin(tmp_path, config, environment=environment) as tocsin:
        wait_until(lambda: tocsin.query(f'timestamp(a{{job="batch"}}) > {restarted_s}'))
        delete_from_gateway(tocsin.url, "batch")
        assert tocsin.query('a{job="batch"}') == []


def request(*entries: dict, symbols: tuple[str, ...]) -> bytes:
    raw = [messages.TimeSeries(**entry).SerializeToString() for entry in entries]
    message = messages.Request(symbols=["", *symbols], timeseries=raw)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def written(answer: httpx.Response) -> list[str | None]:
    return [answer.headers.get(WRITTEN.format(kind)) for kind in ("Samples", "Histograms", "Exemplars")]


def send(client, body: bytes, content_type: str = V2, encoding: str = "snappy") -> httpx.Response:
    headers = {
        "content-type": content_type,
        "content-encoding": encoding,
        "x-prometheus-remote-write-version": "2.0.0",
    }
    return client.post("/api/v1/write", content=body, headers=headers)


def test_remote_write_2_counts_what_is_written(client, tocsin):
    now_ms = int(time.time() * 1000)
    good = {
        "labels_refs": [1, 2],
        "samples": [{"value": 1.5, "timestamp": now_ms - 1}, {"value": 2.5, "timestamp": now_ms}],
        "metadata": {"type": 2, "help_ref": 3},
        "exemplars": [b""],
    }
    body = request(good, symbols=("__name__", "written_by_v2", "Help."))
    answer = send(client, body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert written(answer) == ["2", "0", "0"]
    assert tocsin.query("written_by_v2")[0]["value"][1] == "2.5"
    metadata = client.get("/api/v1/metadata", params={"metric": "written_by_v2"}).json()["data"]
    assert metadata["written_by_v2"] == [{"type": "gauge", "help": "Help.", "unit": ""}]
    raw = bytes(cramjam.snappy.decompress_raw(body))
    answer = send(client, bytes(cramjam.zstd.compress(raw)), encoding="zstd")
    assert (answer.status_code, written(answer)) == (204, ["2", "0", "0"])


def test_remote_write_2_stores_what_is_right(client, tocsin):
    samples = [{"value": 1, "timestamp": int(time.time() * 1000)}]
    body = request(
        {"labels_refs": [1, 2], "samples": samples},
        {"labels_refs": [3, 2], "samples": samples},
        {"labels_refs": [1, 3], "histograms": [b""]},
        symbols=("__name__", "right", "x"),
    )
    answer = send(client, body)
    assert answer.status_code == 400
    assert written(answer) == ["1", "0", "0"]
    assert answer.json()["error"] == (
        '1 of 3 series are refused, the first has no metric name: {x="right"}; '
        "1 native histograms are dropped (allowed: float samples); all other samples are stored"
    )
    assert tocsin.query("right")


@pytest.mark.parametrize(
    ("content_type", "encoding", "status", "counts"),
    [
        ("application/json", "snappy", 415, [None] * 3),
        ("application/x-protobuf;proto=prometheus.ReadRequest", "snappy", 415, [None] * 3),
        (V2, "gzip", 415, [None] * 3),
        (V2, "snappy", 400, ["0"] * 3),
        (V2, "zstd", 400, ["0"] * 3),
        ("application/x-protobuf", "snappy", 400, ["0"] * 3),
    ],
)
def test_remote_write_refuses(client, content_type, encoding, status, counts):
    answer = send(client, b"hello", content_type, encoding)
    assert (answer.status_code, written(answer)) == (status, counts)
    assert answer.json()["error"]


def test_remote_write_1_counts_too(client):
    answer = send(client, b"\x00", "application/x-protobuf")
    assert (answer.status_code, written(answer)) == (204, ["0", "0", "0"])


def test_remote_write_claims_nothing_when_the_store_is_full_of_series(tmp_path):
    environment = {"TOCSIN_RUNTIME_DIR": str(tmp_path / "runtime")}
    config = "collectors: {enabled: false}\nstorage: {max_series: 1}"
    with (
        running_tocsin(tmp_path, config, environment=environment) as tocsin,
        httpx.Client(base_url=tocsin.url, trust_env=False) as client,
    ):
        samples = [{"value": 1, "timestamp": int(time.time() * 1000)}]
        entries = [{"labels_refs": [1, number], "samples": samples} for number in (2, 3)]
        answer = send(client, request(*entries, symbols=("__name__", "a", "b")))
        assert (answer.status_code, written(answer)) == (400, [None] * 3)
        assert "storage.max_series" in answer.json()["error"]
