from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.receive.otlp.exports import export, gauge, number
from tests.support.cases import cases_dir
from tocsin.errors import ParseError, SizeLimitError
from tocsin.receive.otlp import Signal, unsupported_reason
from tocsin.receive.otlp.body import read_body

PROTOBUF, JSON = "application/x-protobuf", "application/json"
REQUEST = export(gauge("a", number(1.0, x="1")), resource={"service.name": "s"})


def read(body, content_type=JSON, encoding="", **limits):
    return read_body(Signal.METRICS, body, content_type, encoding, **limits)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip(encoding):
    assert read(gzip.compress(REQUEST.SerializeToString()), PROTOBUF, encoding) == REQUEST


def test_the_limit_holds_once_inflated():
    body = REQUEST.SerializeToString()
    for sent, encoding in ((body, ""), (gzip.compress(body), "gzip")):
        assert read(sent, PROTOBUF, encoding, max_bytes=len(body)) == REQUEST
        with pytest.raises(SizeLimitError, match=f"larger than the limit of {len(body) - 1} bytes"):
            read(sent, PROTOBUF, encoding, max_bytes=len(body) - 1)


def test_json_has_64_bits_in_texts_and_ids_in_hexadecimal():
    exemplar = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "asInt": "-1"}
    point = {"asInt": "9007199254740993", "timeUnixNano": "1544712660300000000", "exemplars": [exemplar]}
    request = read(json.dumps(document(point)).encode())
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]
    assert (point.as_int, point.time_unix_nano) == (9007199254740993, 1544712660300000000)
    assert point.exemplars[0].trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert point.exemplars[0].span_id.hex() == "eee19b7ec3c1b174"


def document(point):
    metric = {"name": "a", "gauge": {"dataPoints": [point]}}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def test_json_may_hold_what_is_not_known_yet():
    body = {**document({"asDouble": "NaN", "novelty": {"traceId": "00"}}), "more": [[{}]]}
    point = (
        read(json.dumps(body).encode()).resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]
    )
    assert point.as_double != point.as_double


def test_ids_may_be_null_or_empty():
    for nothing in (None, ""):
        assert read(json.dumps(document({"exemplars": [{"traceId": nothing}]})).encode())


@pytest.mark.parametrize(
    ("name", "signal", "count"),
    [
        ("metrics", Signal.METRICS, 4),
        ("logs", Signal.LOGS, 1),
        ("events", Signal.LOGS, 1),
        ("trace", Signal.TRACES, 1),
    ],
)
def test_the_examples_of_the_protocol(name, signal, count):
    body = (cases_dir("otlp") / f"{name}.json").read_bytes()
    message = read_body(signal, body, JSON, "")
    assert signal.record_count(message) == count
    assert read_body(signal, message.SerializeToString(), PROTOBUF, "") == message


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "message"),
    [
        (b"\xff", PROTOBUF, "", "not an OTLP request with data points in protobuf"),
        (b"", JSON, "", "the body is not JSON"),
        (b"[" * 100_000, JSON, "", "the body is not JSON"),
        (b"[]", JSON, "", "not a JSON object with data points"),
        (b'{"resourceMetrics": 1}', JSON, "", "not an OTLP request with data points in JSON"),
        (b'{"resourceMetrics": [1]}', JSON, "", "not an OTLP request with data points in JSON"),
        (b'{"a": [{"traceId": "xyz"}]}', JSON, "", 'the traceId is "xyz"'),
        (b'{"a": [{"spanId": [1]}]}', JSON, "", "the spanId is"),
        (b"{}", JSON, "gzip", "the body is not gzip"),
        (gzip.compress(b"{}", mtime=0)[:-1], JSON, "gzip", "the gzip body is cut off"),
        (b"{}", "text/plain", "", 'the Content-Type "text/plain" is not supported'),
        (b"{}", JSON, "zstd", 'the Content-Encoding "zstd" is not supported'),
    ],
)
def test_bodies_that_are_something_else(body, content_type, encoding, message):
    with pytest.raises(ParseError, match=message):
        read(body, content_type, encoding)


def test_what_can_be_read():
    assert unsupported_reason("Application/JSON; charset=utf-8", "identity") is None
    assert unsupported_reason("", "") is not None


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]), st.sampled_from(["", "gzip"]))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body, content_type, encoding):
    for signal in Signal:
        try:
            read_body(signal, body, content_type, encoding)
        except ParseError:
            continue


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("00")
KEYS = (
    *("resourceMetrics", "resource", "scopeMetrics", "metrics", "name", "gauge", "sum", "histogram"),
    *("aggregationTemporality", "dataPoints", "asInt", "timeUnixNano", "bucketCounts", "explicitBounds"),
    *("flags", "exemplars", "traceId", "attributes", "key", "value", "values", "arrayValue", "kvlistValue"),
    *("stringValue", "bytesValue"),
)
keys = st.sampled_from(KEYS)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(keys, documents, max_size=3))
def test_arbitrary_json_raises_nothing_but_parse_errors(content):
    for wrapped in (content, document(content), {"resourceMetrics": [content]}):
        try:
            read(json.dumps(wrapped).encode())
        except ParseError:
            continue
