from __future__ import annotations

import json

import pytest

from tests.support.cases import cases_dir
from tocsin.receive.otlp import unit_name


def test_units_are_those_of_prometheus():
    for case in json.loads((cases_dir("otlp") / "metric_names.json").read_text()):
        if "error" not in case:
            unit = unit_name(case["metric"]["unit"], utf8_allowed=case["utf8_allowed"])
            assert unit == case["expected_unit"], case


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("", ""),
        ("m/s", "meters_per_second"),
        ("{request}/s", "per_second"),
        ("1/{request}", ""),
        ("m/m", "meters_per_minute"),
        ("a/b/c", "a_per_b_c"),
        ("@x@", "x"),
    ],
)
def test_units(unit, expected):
    assert unit_name(unit) == expected


def test_units_of_any_characters():
    assert unit_name("µs/€", utf8_allowed=True) == "µs_per_€"
