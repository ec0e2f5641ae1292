"""The protobuf messages of remote write 2.0, described here so that installing needs no compiler.

Source: prometheus.io/docs/specs/prw/remote_write_spec_2_0. A request keeps its series as undecoded bytes,
because the decoder reads most of them all at once; histograms and exemplars are kept as bytes because they
are only counted. Times at which a series was created are not described, and so are passed over.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "tocsin.remote_write_v2"
_TYPES: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}

_MESSAGES: Final[dict[str, tuple[tuple[int, str, str], ...]]] = {
    "Sample": ((1, "value", "double"), (2, "timestamp", "int64")),
    "Metadata": ((1, "type", "int32"), (3, "help_ref", "uint32"), (4, "unit_ref", "uint32")),
    "TimeSeries": (
        (1, "labels_refs", "uint32*"),
        (2, "samples", "Sample*"),
        (3, "histograms", "bytes*"),
        (4, "exemplars", "bytes*"),
        (5, "metadata", "Metadata"),
    ),
    "Request": ((4, "symbols", "string*"), (5, "timeseries", "bytes*")),
}
"""Fields by message: number, name, type; a star marks one that is repeated."""


def _field(number: int, name: str, kind: str) -> FieldDescriptorProto:
    plain = kind.removesuffix("*")
    is_message = plain in _MESSAGES
    return FieldDescriptorProto(
        name=name,
        number=number,
        label=FieldDescriptorProto.LABEL_OPTIONAL if plain == kind else FieldDescriptorProto.LABEL_REPEATED,
        type=FieldDescriptorProto.TYPE_MESSAGE if is_message else _TYPES[plain],
        type_name=f".{_PACKAGE}.{plain}" if is_message else None,
    )


def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        file.message_type.add(name=name, field=[_field(*field) for field in fields])
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL: Final = _pool()


def _message_class(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


TimeSeries: Final = _message_class("TimeSeries")
Request: Final = _message_class("Request")
