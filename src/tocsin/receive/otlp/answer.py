"""Answers to OTLP requests, in the format in which they were sent.

Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response".
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tocsin.receive.otlp.body import JSON, PROTOBUF, media_type
from tocsin.receive.otlp.received import ReceivedExport

_UNKNOWN: Final = 2
_GRPC_CODES: Final = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    408: 4,
    413: 3,
    415: 3,
    429: 8,
    500: 13,
    501: 12,
    503: 14,
    504: 4,
}
"""The code of gRPC that means the same as a status of HTTP."""


class Answer(NamedTuple):
    """The body of an answer and its Content-Type."""

    body: bytes
    content_type: str


def encode_received(received: ReceivedExport, content_type: str) -> Answer:
    """The answer 200 to a request that was taken, saying what of it was not.

    >>> from tocsin.model import SampleBatch
    >>> encode_received(ReceivedExport(SampleBatch.at(0, {})), "application/json")
    Answer(body=b'{}', content_type='application/json')
    """
    response = received.signal.response()
    if received.fault is not None:
        response.partial_success.error_message = received.fault
        setattr(response.partial_success, f"rejected_{received.signal.record}s", received.rejected_count)
    if _format(content_type) == JSON:
        return Answer(orjson.dumps(json_format.MessageToDict(response)), JSON)
    return Answer(response.SerializeToString(), PROTOBUF)


def encode_failure(status_code: int, message: str, content_type: str) -> Answer:
    """The answer to a request that was not taken: ``google.rpc.Status`` for a status of HTTP.

    >>> encode_failure(400, "the body is cut off", "application/json").body
    b'{"code":3,"message":"the body is cut off"}'
    """
    code = _GRPC_CODES.get(status_code, _UNKNOWN)
    if _format(content_type) == JSON:
        return Answer(orjson.dumps({"code": code, "message": message}), JSON)
    return Answer(bytes(_STATUS(code=code, message=message).SerializeToString()), PROTOBUF)


def _format(content_type: str) -> str:
    """The format of an answer: JSON only for those who asked in it."""
    return JSON if media_type(content_type) == JSON else PROTOBUF


def _status_class() -> Any:
    """``google.rpc.Status`` without its details, described here so that installing needs no more packages."""
    file = FileDescriptorProto(name="tocsin.otlp_status.proto", package="tocsin.otlp", syntax="proto3")
    fields = ((1, "code", FieldDescriptorProto.TYPE_INT32), (2, "message", FieldDescriptorProto.TYPE_STRING))
    message = file.message_type.add(name="Status")
    for number, name, kind in fields:
        message.field.add(number=number, name=name, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("tocsin.otlp.Status"))


_STATUS: Final = _status_class()
