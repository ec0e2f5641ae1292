"""Bodies of OTLP requests: protobuf or JSON, plain or gzip, to one message.

Source: opentelemetry.io/docs/specs/otlp. Its JSON is that of protobuf, but that ids of traces and spans are
hexadecimal where protobuf has base64.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from tocsin.errors import ParseError, SizeLimitError
from tocsin.receive.otlp.signals import Signal
from tocsin.scrape.compression import gunzip

MAX_BODY_BYTES: Final = 64 * 1024 * 1024

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_MEDIA_TYPES: Final = (PROTOBUF, JSON)

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_PLAIN: Final = frozenset({"", "identity"})

# Some versions of protobuf let errors of Python out for values of the wrong type.
_NOT_A_MESSAGE: Final = (json_format.ParseError, AttributeError, TypeError, ValueError)

_SHOWN_CHARACTERS: Final = 200

_HEX_KEYS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})


def media_type(content_type: str) -> str:
    """A Content-Type without its parameters.

    >>> media_type("application/json; charset=utf-8")
    'application/json'
    """
    return content_type.partition(";")[0].strip().lower()


def unsupported_reason(content_type: str, content_encoding: str) -> str | None:
    """Why a request cannot be read, in one sentence for a 415 answer; None when it can.

    >>> unsupported_reason("application/json", "gzip") is None
    True
    """
    if media_type(content_type) not in _MEDIA_TYPES:
        return f'the Content-Type "{content_type}" is not supported (allowed: {", ".join(_MEDIA_TYPES)})'
    if content_encoding.strip().lower() not in _GZIP | _PLAIN:
        return f'the Content-Encoding "{content_encoding}" is not supported (allowed: gzip, identity)'
    return None


def read_body(
    signal: Signal, body: bytes, content_type: str, content_encoding: str, max_bytes: int = MAX_BODY_BYTES
) -> Any:
    """Read a request; raises SizeLimitError when it would inflate above ``max_bytes`` and else ParseError."""
    reason = unsupported_reason(content_type, content_encoding)
    if reason is not None:
        raise ParseError(reason)
    data = _inflated(body, content_encoding, max_bytes)
    return _from_json(signal, data) if media_type(content_type) == JSON else _from_protobuf(signal, data)


def _inflated(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    if content_encoding.strip().lower() in _GZIP:
        return gunzip(body, max_bytes)
    if len(body) > max_bytes:
        raise SizeLimitError(max_bytes)
    return body


def _from_protobuf(signal: Signal, data: bytes) -> Any:
    try:
        return signal.request.FromString(data)
    except DecodeError as error:
        raise ParseError(f"the body is not an OTLP request with {_records(signal)} in protobuf") from error


def _from_json(signal: Signal, data: bytes) -> Any:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ParseError(f"the body is not a JSON object with {_records(signal)}")
    _rewrite_ids(document)
    try:
        return json_format.ParseDict(document, signal.request(), ignore_unknown_fields=True)
    except (json_format.ParseError, DecodeError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(
            f"the body is not an OTLP request with {_records(signal)} in JSON: {error}"
        ) from error


def _records(signal: Signal) -> str:
    return f"{signal.record.replace('_', ' ')}s"


def _rewrite_ids(document: Any) -> None:
    """Turn hexadecimal ids into base64, in place and without recursion, as JSON may be nested deeply."""
    rest = [document]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            for key in _HEX_KEYS & node.keys():
                node[key] = _base64_of_hex(key, node[key] or "")
        rest.extend(_children(node))


def _children(node: Any) -> list[Any]:
    values = node.values() if isinstance(node, dict) else node
    return [value for value in values if isinstance(value, dict | list)]


def _base64_of_hex(key: str, text: Any) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except (TypeError, ValueError) as error:
        raise ParseError(
            f'the {key} is "{str(text)[:_SHOWN_CHARACTERS]}" (it must be hexadecimal)'
        ) from error
