"""OTLP in protobuf and in JSON, under several settings."""

from __future__ import annotations

import json
import random

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fuzz import wire
from tests.fuzz.mutations import json_mutator
from tests.fuzz.running import Fuzzed, check_batch, run
from tests.receive.otlp.exports import DELTA, NOW_MS, buckets, counter, export, gauge, histogram, number
from tests.support.cases import CASES
from tocsin.errors import ParseError
from tocsin.receive.otlp import (
    OtlpDecoder,
    OtlpSettings,
    ReceivedExport,
    Signal,
    TranslationStrategy,
    encode_failure,
    encode_received,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MAX_BYTES = 1 << 18
DECODER_INPUTS = 2000

# A data point of two bytes is two samples; a series about a resource is repeated over the time of a request.
SAMPLES_PER_BYTE, MAX_TARGET_INFO = 1, 2000

SUMMARY = {
    "name": "took",
    "unit": "ms",
    "summary": {
        "data_points": [
            {"count": 3, "sum": 1.5, "quantile_values": [{"quantile": 0.5, "value": 1}, {"quantile": 1}]}
        ]
    },
}
NATIVE = {"name": "n", "exponential_histogram": {"data_points": [{"count": 1}], "aggregation_temporality": 2}}
RESOURCE = {"service.name": "trainer", "service.instance.id": "1", "host.name": "h", "_x": "1", "0a": "2"}
KEYED = {"kvlist_value": {"values": [{"key": "k", "value": {"int_value": 7}}]}}
NESTED = {"array_value": {"values": [KEYED]}}


def with_values(request):
    """The same request with attributes of every kind."""
    resource = request.resource_metrics[0]
    for kind in ({"bool_value": True}, {"double_value": 1e300}, {"bytes_value": b"\xff"}, NESTED):
        for holder in (resource.resource, resource.scope_metrics[0].scope):
            holder.attributes.add(key=next(iter(kind)), value=kind)
    return request


REQUESTS = [
    export(),
    export(gauge("temp.now", number(1.5, host="a"), number(float("nan")), unit="1", description="Heat.")),
    export(counter("tokens", number(3.0, a="1"), unit="By/s"), resource=RESOURCE, scope={"name": "lib"}),
    export(
        counter("sent", number(3.0), number(4.0, time_ns=0), temporality=DELTA),
        counter("up", number(-1.0, flags=1), is_monotonic=False, unit="{request}/min"),
        resource=RESOURCE,
    ),
    export(
        histogram("step", buckets([1, 2, 3], [0.5, 1.0], total=4.0), buckets([2], [], host="b")),
        histogram("gap", buckets([1, 2], [float("inf")]), temporality=DELTA),
    ),
    export(SUMMARY, NATIVE, resource=RESOURCE),
    with_values(export(gauge("a", number(1.0)), scope={"name": "lib", "version": "1"})),
]
LOGS = ExportLogsServiceRequest(
    resource_logs=[{"scope_logs": [{"log_records": [{"trace_id": b"1" * 16, "span_id": b"2" * 8}]}]}]
)
TRACES = ExportTraceServiceRequest(
    resource_spans=[{"scope_spans": [{"spans": [{"trace_id": b"1" * 16, "parent_span_id": b"2" * 8}]}]}]
)
NAMES = (
    b"resourceMetrics|scopeMetrics|metrics|gauge|sum|histogram|summary|dataPoints|attributes|key|value|asInt|"
    b"asDouble|timeUnixNano|startTimeUnixNano|stringValue|intValue|arrayValue|kvlistValue|values|bytesValue|"
    b"bucketCounts|explicitBounds|quantileValues|flags|traceId|spanId|trace_id|isMonotonic|unit|name|"
    b"aggregationTemporality|exemplars|resource|schemaUrl|resource_metrics|boolValue"
).split(b"|")


def as_json(request) -> bytes:
    document = json.loads(json_format.MessageToJson(request, indent=None))
    for logs in document.get("resourceLogs", ()):
        logs["scopeLogs"][0]["logRecords"][0] |= {"traceId": "00ff", "spanId": "AB"}
    return json.dumps(document).encode()


def outside(*names: str) -> list[bytes]:
    files = [CASES / "otlp" / f"{name}.json" for name in names]
    return [file.read_bytes() for file in files if file.exists()]


SETTINGS = (
    OtlpSettings(),
    OtlpSettings(
        promote_all_resource_attributes=True, keep_identifying_resource_attributes=True, namespace="n"
    ),
    OtlpSettings(
        TranslationStrategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES,
        promote_resource_attributes=("host.name",),
        label_name_preserve_multiple_underscores=False,
    ),
    OtlpSettings(TranslationStrategy.NO_TRANSLATION, promote_all_resource_attributes=True),
    OtlpSettings(TranslationStrategy.NO_UTF8_ESCAPING_WITH_SUFFIXES, promote_scope_metadata=False),
)


class Decoders:
    """One decoder for each of some settings, which take turns."""

    def __init__(self, content_type: str) -> None:
        self._content_type = content_type
        self._count = 0
        self._decoders: list[OtlpDecoder] = []

    def take(self, body: bytes) -> None:
        if self._count % DECODER_INPUTS == 0:
            self._decoders = [OtlpDecoder(each, max_bytes=MAX_BYTES) for each in SETTINGS]
        self._count += 1
        which = self._count % len(SETTINGS)
        received = self._decoders[which].decode_metrics(body, self._content_type, "", NOW_MS)
        check_batch(received.batch, legacy=not SETTINGS[which].translation_strategy.utf8_allowed)
        assert len(received.batch) <= SAMPLES_PER_BYTE * len(body) + MAX_TARGET_INFO
        check_answer(received, self._content_type)


def check_answer(received: ReceivedExport, content_type: str) -> None:
    for family, known in received.metadata.items():
        f"{family}{known.help}{known.unit}".encode()
    assert received.rejected_count >= 0
    assert encode_received(received, content_type).content_type == content_type
    assert received.fault is None or received.fault


def take_records(data: bytes) -> None:
    """Logs and traces; the first two bytes say which, and in what format."""
    signal = Signal.LOGS if data[:1] == b"l" else Signal.TRACES
    content_type = JSON if data[1:2] == b"j" else PROTOBUF
    try:
        received = OtlpDecoder(max_bytes=MAX_BYTES).count_records(signal, data[2:], content_type, "")
    except ParseError as error:
        encode_failure(400, str(error), content_type)
        raise
    check_answer(received, content_type)
    assert len(received.batch) == 0


def mutate_records(rng: random.Random, _seeds) -> bytes:
    kind, message = rng.choice(((b"l", LOGS), (b"t", TRACES)))
    if rng.random() < 0.5:
        return kind + b"p" + mutate_wire(rng, [message.SerializeToString()])
    return kind + b"j" + mutate_json(rng, [as_json(message)])


mutate_wire, mutate_json = wire.wire_mutator(), json_mutator(NAMES)
PARSERS = [
    Fuzzed(
        "OTLP protobuf",
        [request.SerializeToString() for request in REQUESTS],
        mutate_wire,
        Decoders(PROTOBUF).take,
        (ParseError,),
    ),
    Fuzzed(
        "OTLP JSON",
        [*map(as_json, REQUESTS), *outside("metrics")],
        mutate_json,
        Decoders(JSON).take,
        (ParseError,),
    ),
    Fuzzed("OTLP logs and traces", [b""], mutate_records, take_records, (ParseError,)),
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_every_request_is_read_or_refused(parser):
    run(parser)
