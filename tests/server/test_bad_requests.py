"""Whatever is sent to the server, it answers with one clear sentence and goes on."""

from __future__ import annotations

import os

import httpx
import pytest

from tests.support.process import running_tocsin

ENDPOINTS = [
    "/",
    "/training",
    "/metrics",
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/label/job/values",
    "/api/v1/metadata",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/targets",
    "/api/v1/import/prometheus",
    "/api/v1/write",
    "/api/v1/status/buildinfo",
    "/api/tocsin/dashboards",
    "/api/v1/nowhere",
    "/-/healthy",
    "/-/ready",
]


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tocsin")
    with running_tocsin(folder, environment={"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}) as running:
        yield running


@pytest.fixture
def client(tocsin):
    with httpx.Client(base_url=tocsin.url, trust_env=False, timeout=30) as client:
        yield client


def assert_is_an_error_of_prometheus(answer: httpx.Response) -> str:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:200])
    content = answer.json()
    assert content["status"] == "error"
    assert content["errorType"]
    assert content["error"]
    assert "\n" not in content["error"]
    return content["error"]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-encoding": "gzip"},
        {"content-encoding": "snappy", "content-type": "application/x-protobuf"},
    ],
    ids=["plain", "form", "gzip", "snappy"],
)
def test_ten_megabytes_of_random_bytes(client, tocsin, path, headers):
    answer = client.post(path, content=os.urandom(10 << 20), headers=headers)
    assert_is_an_error_of_prometheus(answer)
    assert tocsin.process.poll() is None
    assert client.get("/-/healthy").status_code == 200


def test_more_than_the_limit_is_refused(client):
    answer = client.post("/api/v1/import/prometheus", content=b"#" * (33 << 20))
    assert answer.status_code == 413
    assert "larger than 32 MiB" in assert_is_an_error_of_prometheus(answer)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/v1/query", 'the parameter "query" is missing'),
        ("/api/v1/query?query=up&time=yesterday", 'invalid parameter "time"'),
        ("/api/v1/query?query=up&time=1e300", "out of range"),
        ("/api/v1/query?query=sum(up", "parse error"),
        ("/api/v1/query?query=up&limit=-1", 'invalid parameter "limit"'),
        ("/api/v1/query_range?query=up&start=1&end=2", 'the parameter "step" is missing'),
        ("/api/v1/query_range?query=up&start=1&end=2&step=0", "zero or negative"),
        ("/api/v1/query_range?query=up&start=1&end=2&step=5x", "not a valid duration"),
        ("/api/v1/query_range?query=up&start=2&end=1&step=1", "must not be before start"),
        ("/api/v1/query_range?query=up&start=0&end=100000&step=1", "11,000 points"),
        ("/api/v1/series", "match[]"),
        ("/api/v1/series?match[]=sum(up)", "selector"),
        ("/api/v1/series?match[]=up&start=5&end=1", "before its start"),
        ("/api/v1/label/0a/values", "not a label name"),
        ("/api/v1/rules?type=other", "allowed: alert, record"),
        ("/api/tocsin/dashboards/nothing", "nothing"),
        ("/nowhere", "Not Found"),
    ],
)
def test_a_wrong_parameter_is_named(client, path, sentence):
    assert sentence in assert_is_an_error_of_prometheus(client.get(path))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("up 1\nup{job= 1", "line 2"),
        ("up one", "line 1"),
        ("up 1 1.5.5", "line 1"),
        ('up{a="1",a="2"} 1', "line 1"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_of_the_request_is_kept(client, tocsin, lines, sentence):
    answer = client.post("/api/v1/import/prometheus", content=f"kept_nowhere 1\n{lines}".encode())
    message = assert_is_an_error_of_prometheus(answer)
    number = int(sentence.split()[1]) + 1
    assert f"line {number}" in message
    assert tocsin.query("kept_nowhere") == []


def test_a_wrong_method_is_refused(client):
    assert client.delete("/api/v1/query").status_code == 405
    assert_is_an_error_of_prometheus(client.delete("/api/v1/query"))


def test_a_foreign_host_or_page_is_refused(client):
    assert client.get("/api/v1/labels", headers={"host": "evil.example"}).status_code == 403
    answer = client.post(
        "/api/v1/import/prometheus", content=b"up 1", headers={"origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_an_unknown_message_of_remote_write_is_refused(client):
    headers = {"content-type": "application/x-protobuf;proto=prometheus.ReadRequest"}
    assert client.post("/api/v1/write", content=b"", headers=headers).status_code == 415
