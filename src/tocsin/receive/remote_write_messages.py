"""The protobuf messages of remote write 1.0, described here so that installing needs no compiler.

Source: prometheus.io/docs/specs/prw/remote_write_spec. A request keeps its series as undecoded bytes, because
the decoder knows most of them by heart; histograms are kept as bytes because they are only counted.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "tocsin.remote_write"
_TYPES: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}

_MESSAGES: Final[dict[str, tuple[tuple[int, str, str], ...]]] = {
    "Label": ((1, "name", "string"), (2, "value", "string")),
    "Sample": ((1, "value", "double"), (2, "timestamp", "int64")),
    "TimeSeries": ((1, "labels", "Label*"), (2, "samples", "Sample*"), (4, "histograms", "bytes*")),
    "MetricMetadata": (
        (1, "type", "int32"),
        (2, "metric_family_name", "string"),
        (4, "help", "string"),
        (5, "unit", "string"),
    ),
    "WriteRequest": ((1, "timeseries", "bytes*"), (3, "metadata", "MetricMetadata*")),
}
"""Fields by message: number, name, type; a star marks one that is repeated."""


def _describe() -> FileDescriptorProto:
    file = FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for number, name, kind in fields:
            _add_field(message.field.add(name=name, number=number), kind)
    return file


def _add_field(field: FieldDescriptorProto, kind: str) -> None:
    repeated = kind.endswith("*")
    kind = kind.removesuffix("*")
    field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    field.type = _TYPES.get(kind, FieldDescriptorProto.TYPE_MESSAGE)
    if kind in _MESSAGES:
        field.type_name = f".{_PACKAGE}.{kind}"


def _message_class(pool: DescriptorPool, name: str) -> Any:
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_pool = DescriptorPool()
_pool.AddSerializedFile(_describe().SerializeToString())

TimeSeries: Final = _message_class(_pool, "TimeSeries")
MetricMetadata: Final = _message_class(_pool, "MetricMetadata")
WriteRequest: Final = _message_class(_pool, "WriteRequest")
