from __future__ import annotations

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tocsin.receive.otlp.attributes import attribute_text

LIST = {"array_value": {"values": [{"int_value": 1}, {"string_value": 'a"<'}, {"bytes_value": b"\x00"}, {}]}}
MAP = {
    "kvlist_value": {
        "values": [
            {"key": "z", "value": {"double_value": 1.0}},
            {"key": "a", "value": LIST},
        ]
    }
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, ""),
        ({"string_value": "a b"}, "a b"),
        ({"bool_value": False}, "false"),
        ({"int_value": -(2**63)}, "-9223372036854775808"),
        ({"double_value": 637.704}, "637.704"),
        ({"bytes_value": b"\xff\x00"}, "/wA="),
        (LIST, r'[1,"a\"\u003c","AA==",null]'),
        (MAP, r'{"a":[1,"a\"\u003c","AA==",null],"z":1}'),
    ],
)
def test_values_as_text(value, text):
    assert attribute_text(AnyValue(**value)) == text
