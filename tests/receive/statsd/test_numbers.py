from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.receive.statsd.numbers import parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("+1.", 1),
        ("-.5e-1", -0.05),
        ("0x1.8p1", 3),
        ("-0X.8P+2", -2),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1e-999", 0),
    ],
)
def test_numbers(text, value):
    assert parse_number(text) == value


def test_nan_is_a_number():
    assert math.isnan(parse_number("NaN"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1o",
        " 1",
        "1 ",
        "1_000",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "+nan",
        "infinit",
        "0x1",
        "1e",
        "1e999",
        "0x1p9999",
        "--1",
        "1e1.5",
    ],
)
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="number"):
        parse_number(text)


@given(st.floats(allow_nan=False))
def test_what_python_writes_is_read_back(value):
    assert parse_number(repr(value)) == value
