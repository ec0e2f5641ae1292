from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.receive.otlp.numbers import json_number, plain_number


@pytest.mark.parametrize(
    ("value", "plain", "json"),
    [
        (0.0, "0", "0"),
        (-0.0, "-0", "-0"),
        (10.0, "10", "10"),
        (0.005, "0.005", "0.005"),
        (1e16, "10000000000000000", "10000000000000000"),
        (1e21, "1000000000000000000000", "1e+21"),
        (-2.5e-7, "-0.00000025", "-2.5e-7"),
        (1e-6, "0.000001", "0.000001"),
        (float("inf"), "+Inf", "+Inf"),
        (float("-inf"), "-Inf", "-Inf"),
        (float("nan"), "NaN", "NaN"),
    ],
)
def test_numbers_as_go_writes_them(value, plain, json):
    assert (plain_number(value), json_number(value)) == (plain, json)


@given(st.floats(allow_nan=False))
def test_numbers_mean_the_same(value):
    assert float(plain_number(value)) == float(json_number(value)) == value
    assert "e" not in plain_number(value)
