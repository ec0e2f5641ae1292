from __future__ import annotations

import json
import math
import time

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.sdk.receiver import wait_until
from tests.support.process import running_tocsin
from tocsin.errors import ConfigError
from tocsin.receive import decode_text_import
from tocsin.receive.otlp import OtlpDecoder
from tocsin.sdk import TrainingMonitor
from tocsin.sdk.guard import Guard
from tocsin.sdk.lines import row_lines, state_lines
from tocsin.sdk.names import Names, label_text
from tocsin.sdk.outlets.otlp import Otlp
from tocsin.sdk.outlets.otlp_message import OtlpMessage
from tocsin.sdk.outlets.otlp_settings import OtlpSettings
from tocsin.sdk.outlets.outlet import TAKEN, Fate, News
from tocsin.sdk.readings import Reading

LABELS = {"instance": "gpu-1", "job": "training", "run": 'a "b"', "team": "vision"}
ROWS = [(1_700_000_000_000, 1, {"loss": 0.1, "lr": 1e-5}), (1_700_000_000_050, 2, {"loss": math.nan})]
STATE = [
    Reading("training_status", 1.0),
    Reading("training_total_steps", 9.0),
    Reading("training_health_events_total", 3.0, (("check", "spike"),)),
    Reading("training_health_events_total", 0.0, (("check", "stall"),)),
]
NEWS = News(ROWS, STATE, 1_700_000_000_100)
START_MS = 1_600_000_000_000


def encoded(news=NEWS, **attributes):
    guard = Guard("test")
    return OtlpMessage(LABELS, attributes, START_MS).encode(news, Names(guard), guard)


def metrics(body):
    """Of a body read by OpenTelemetry's own classes, which refuse what they do not know."""
    request = json_format.Parse(body, ExportMetricsServiceRequest())
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return resource.resource, {metric.name: metric for metric in scope.metrics}


def attributes(holder):
    return {each.key: each.value.string_value for each in holder.attributes}


def series(batch):
    samples = zip(batch.series_index, batch.timestamps_ms, batch.values, strict=True)
    return sorted(
        (str(batch.series[index]), int(time_ms), repr(float(value))) for index, time_ms, value in samples
    )


def test_opentelemetrys_own_classes_read_it():
    resource, found = metrics(encoded(**{"service.name": "trainer", "host.name": "h"}))
    assert attributes(resource) == {
        "service.name": "trainer",
        "service.instance.id": "gpu-1",
        "host.name": "h",
    }
    first, second = found["training_loss"].gauge.data_points
    assert (first.time_unix_nano, first.as_double) == (1_700_000_000_000_000_000, 0.1)
    assert math.isnan(second.as_double)
    assert attributes(first) == {"run": 'a "b"', "team": "vision"}
    events = found["training_health_events_total"].sum
    assert events.is_monotonic
    assert events.aggregation_temporality == 2
    assert [(attributes(each)["check"], each.as_double) for each in events.data_points] == [
        ("spike", 3),
        ("stall", 0),
    ]
    assert {each.start_time_unix_nano for each in events.data_points} == {START_MS * 1_000_000}
    assert found["training_total_steps"].WhichOneof("data") == "gauge"


def test_a_receiver_makes_the_series_that_are_pushed_as_text():
    guard = Guard("test")
    lines = row_lines(ROWS, Names(guard), label_text(LABELS), guard)
    lines += state_lines(STATE, LABELS, NEWS.time_ms)
    pushed = decode_text_import("".join(lines).encode(), "", 0).batch
    received = OtlpDecoder().decode_metrics(encoded(), "application/json", "", 0).batch
    found = [each for each in series(received) if "target_info" not in each[0]]
    assert found == series(pushed)


@pytest.mark.parametrize(
    ("value", "text"), [(math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"), (3, 3.0)]
)
def test_numbers_are_those_of_protobufs_json(value, text):
    body = json.loads(encoded(News([(1, 1, {"x": value})], [], 1)))
    metric = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][1]
    assert metric["gauge"]["dataPoints"][0]["asDouble"] == text


def test_buckets_are_a_histogram():
    own = (("route", "/a"),)
    state = [
        Reading("wait_seconds_bucket", 2, (*own, ("le", "0.5"))),
        Reading("wait_seconds_bucket", 3, (*own, ("le", "1.0"))),
        Reading("wait_seconds_bucket", 7, (*own, ("le", "+Inf"))),
        Reading("wait_seconds_count", 7, own),
        Reading("wait_seconds_sum", 12.5, own),
        Reading("other_sum", 1),
    ]
    _, found = metrics(encoded(News([], state, 5)))
    assert set(found) == {"wait_seconds", "other_sum"}
    (point,) = found["wait_seconds"].histogram.data_points
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.5, 1.0], [2, 1, 4])
    assert (point.count, point.sum, attributes(point)["route"]) == (7, 12.5, "/a")


@pytest.fixture
def outlet(receiver):
    guard = Guard("test")
    outlet = Otlp(OtlpSettings(f"{receiver.url}/v1/metrics", {"x-key": "k"}), Names(guard), LABELS, guard)
    receiver.parse = lambda _: []
    yield outlet
    outlet.close()


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        *((status, Fate.TAKEN) for status in (200, 202)),
        *((status, Fate.LATER) for status in (429, 502, 503, 504)),
        *((status, Fate.REFUSED) for status in (307, 400, 401, 408, 500, 501)),
    ],
)
def test_each_status_means_what_the_specification_says(receiver, outlet, status, fate):
    receiver.status = status
    assert outlet.deliver(NEWS, 5).fate is fate
    assert receiver.requests == [("/v1/metrics", "application/json")]
    assert receiver.headers["x-key"] == "k"


def test_a_pause_that_the_server_asks_for_is_kept(receiver, outlet):
    receiver.status, receiver.extra_headers = 503, {"Retry-After": "17"}
    assert outlet.deliver(NEWS, 5).pause_s == 17


def test_what_is_taken_in_part_is_told_and_not_sent_again(receiver, outlet):
    receiver.status = 200
    receiver.answer = b'{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}'
    outcome = outlet.deliver(NEWS, 5)
    assert outcome.fate is Fate.TAKEN
    assert outcome.reason.endswith("dropped 3 data points: too old")
    receiver.answer = b'{"partialSuccess":{"errorMessage":"use less"}}'
    assert outlet.deliver(NEWS, 5).reason.endswith("says: use less")
    for nothing in (b"", b"{}", b'{"partialSuccess":{}}', b'{"partialSuccess":null}', b"\x00"):
        receiver.answer = nothing
        assert outlet.deliver(NEWS, 5) == TAKEN


def test_a_refusal_gives_its_message(receiver, outlet):
    receiver.status, receiver.answer = 400, b'{"code":3,"message":"no such tenant"}'
    assert outlet.deliver(NEWS, 5).reason.endswith("it is dropped: 400 no such tenant")


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, None),
        ({"TOCSIN_OTLP": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, None),
        ({"TOCSIN_OTLP": "1"}, "http://localhost:4318/v1/metrics"),
        (
            {"TOCSIN_OTLP": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/x/"},
            "http://c:4318/x/v1/metrics",
        ),
        ({"TOCSIN_OTLP": "1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/m"}, "http://c/m"),
        ({"TOCSIN_OTLP_URL": "http://c:4318/"}, "http://c:4318/v1/metrics"),
        ({"TOCSIN_OTLP_URL": "http://c/v1/metrics", "TOCSIN_OTLP": "0"}, "http://c/v1/metrics"),
    ],
)
def test_nothing_goes_by_otlp_unless_it_is_asked_for(environ, url):
    settings = OtlpSettings.read(environ)
    assert (settings and settings.url) == url


def test_secrets_go_only_where_they_were_meant_for():
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, b=2", "TOCSIN_OTLP": "1"}
    assert OtlpSettings.read(environ).headers == {"authorization": "Bearer x", "b": "2"}
    assert OtlpSettings.read({**environ, "TOCSIN_OTLP_URL": "http://other"}).headers == {}
    with pytest.raises(ConfigError) as caught:
        OtlpSettings.read({**environ, "OTEL_EXPORTER_OTLP_HEADERS": "secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"TOCSIN_OTLP_URL": "c:4318"},
        {"TOCSIN_OTLP": "grpc"},
        {"TOCSIN_OTLP": "1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_what_cannot_work_is_one_sentence(environ, monkeypatch, caplog):
    with pytest.raises(ConfigError):
        OtlpSettings.read(environ)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with TrainingMonitor("digits") as run:
        run.step(loss=0.5)
    (record,) = caplog.records
    assert "nothing is sent" in record.getMessage()


def test_a_real_server_stores_what_a_monitor_sends_by_otlp(tmp_path, monkeypatch):
    with running_tocsin(tmp_path, "collectors: {enabled: false}") as tocsin:
        monkeypatch.setenv("TOCSIN_OTLP_URL", tocsin.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=lab")
        with TrainingMonitor("digits", labels={"team": "vision"}) as run:
            for loss in (0.5, 0.25, math.nan):
                run.step(loss=loss)
                time.sleep(0.01)
        (losses,) = tocsin.query('training_loss{run="digits",team="vision",job="training"}[1m]')
        assert [value for _, value in losses["values"]] == ["0.5", "0.25", "NaN"]
        wait_until(lambda: tocsin.query('training_status{run="digits"}')[0]["value"][1] == "2")
        assert tocsin.query('training_health_events_total{run="digits",check="not_finite"}')
        assert tocsin.query("target_info")[0]["metric"]["deployment_environment"] == "lab"
