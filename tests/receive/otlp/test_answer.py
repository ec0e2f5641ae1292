from __future__ import annotations

import json

import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from tests.receive.otlp.exports import PROTOBUF, counter, decode, export, gauge, number
from tocsin.model import SampleBatch
from tocsin.receive.otlp import ReceivedExport, Signal, encode_failure, encode_received

JSON = "application/json"
PARTIAL = export(counter("a", number(1.0), temporality=0), gauge("b", number(1.0)))


@pytest.mark.parametrize("signal", Signal)
def test_success_says_nothing(signal):
    received = ReceivedExport(SampleBatch.at(0, {}), signal=signal)
    assert encode_received(received, f"{PROTOBUF}; a=b") == (b"", PROTOBUF)
    assert encode_received(received, f"{JSON}; charset=utf-8") == (b"{}", JSON)


@pytest.mark.parametrize("signal", Signal)
def test_what_was_not_taken_is_said_in_both_formats(signal):
    received = ReceivedExport(SampleBatch.at(0, {}), signal=signal, rejected_count=3, fault="why")
    response: Message = signal.response.FromString(encode_received(received, PROTOBUF).body)
    assert getattr(response.partial_success, f"rejected_{signal.record}s") == 3
    assert response.partial_success.error_message == "why"
    partial = json.loads(encode_received(received, JSON).body)["partialSuccess"]
    assert sorted(partial.values()) == ["3", "why"]


def test_a_metric_that_is_left_out_is_said():
    partial = json.loads(encode_received(decode(PARTIAL), JSON).body)["partialSuccess"]
    assert partial == {
        "rejectedDataPoints": "1",
        "errorMessage": 'data points not stored: 1, the first because "a" is neither cumulative nor delta',
    }


@pytest.mark.parametrize(("status_code", "code"), [(400, 3), (429, 8), (503, 14), (418, 2)])
def test_failures_are_a_status_of_grpc(status_code, code):
    in_json = encode_failure(status_code, "why", JSON)
    assert json.loads(in_json.body) == {"code": code, "message": "why"}
    in_protobuf = encode_failure(status_code, "why", PROTOBUF)
    assert Status.FromString(in_protobuf.body) == Status(code=code, message="why")
    assert encode_failure(415, "why", "text/plain").content_type == PROTOBUF
