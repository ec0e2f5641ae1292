"""OpenTelemetry's own SDK, unmodified, against a real process."""

from __future__ import annotations

import json

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.support.process import running_tocsin

CONFIG = "collectors: {enabled: false}\notlp: {promote_resource_attributes: [team]}"


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("otlp")
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    with running_tocsin(folder, CONFIG, environment=environment) as tocsin:
        yield tocsin


def post(tocsin, path, content, content_type="application/json"):
    headers = {"content-type": content_type}
    return httpx.post(f"{tocsin.url}{path}", content=content, headers=headers, trust_env=False)


def test_metrics_of_the_sdk_arrive_under_prometheus_names(tocsin):
    exporter = OTLPMetricExporter(endpoint=f"{tocsin.url}/v1/metrics")
    resource = Resource({"service.name": "trainer", "service.instance.id": "gpu-1", "team": "search"})
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], resource)
    meter = provider.get_meter("lab")
    meter.create_counter("tokens.seen", unit="1").add(42, {"split": "train"})
    meter.create_histogram("step.time", unit="s").record(0.3)
    provider.shutdown()
    (tokens,) = tocsin.query('tokens_seen_total{split="train"}')
    assert tokens["value"][1] == "42"
    assert (tokens["metric"]["job"], tokens["metric"]["instance"]) == ("trainer", "gpu-1")
    assert tokens["metric"]["team"] == "search"
    assert tocsin.query("step_time_seconds_count")[0]["value"][1] == "1"
    assert tocsin.query("target_info")[0]["metric"]["job"] == "trainer"


def test_logs_and_traces_are_counted_and_said_not_to_be_stored(tocsin):
    records = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    answer = post(tocsin, "/v1/logs", json.dumps(records))
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
    assert post(tocsin, "/v1/traces", "{}").json() == {}


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/x-protobuf", 400),
        (b"", "text/plain", 415),
    ],
)
def test_what_is_no_request_is_refused_in_the_format_of_the_request(tocsin, content, content_type, status):
    answer = post(tocsin, "/v1/metrics", content, content_type)
    assert answer.status_code == status
    if content_type == "application/json":
        assert answer.json()["code"] == 3
        assert answer.json()["message"]
