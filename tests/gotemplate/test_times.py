from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.gotemplate import BUILTINS, Duration, TemplateError, Time, expand, parse_template

AT = Time.at_ms(1_700_000_000_120)

LAYOUTS = {
    "2006-01-02T15:04:05Z07:00": "2023-11-14T22:13:20Z",
    "2006-01-02 15:04:05.000 -0700 MST": "2023-11-14 22:13:20.120 +0000 UTC",
    "2006-01-02 15:04:05.999999": "2023-11-14 22:13:20.12",
    "Mon, 02 Jan 2006 15:04:05 MST": "Tue, 14 Nov 2023 22:13:20 UTC",
    "Monday January _2 3:04PM": "Tuesday November 14 10:13PM",
    "1/2/06 03:04:05 pm": "11/14/23 10:13:20 pm",
    "002 __2": "318 318",
    "15h4m5s": "22h13m20s",
    "Month": "Month",
    "no time": "no time",
}


@pytest.mark.parametrize(("layout", "expected"), LAYOUTS.items())
def test_layouts(layout, expected):
    assert AT.format(layout) == expected


def test_time_zones():
    there = AT.in_zone(ZoneInfo("Asia/Kolkata"))
    assert str(there) == "2023-11-15 03:43:20.12 +0530 IST"
    assert there.format("Z07:00 -07 Z0700") == "+05:30 +05 +0530"
    assert AT.in_zone(ZoneInfo("America/Sao_Paulo")).format("MST") == "-03"


def test_no_time_is_gos_zero():
    assert str(Time.at_ms(None)) == "0001-01-01 00:00:00 +0000 UTC"
    assert filled("{{ .IsZero }}", Time.at_ms(None)) == "true"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .Unix }} {{ .UnixMilli }}", "1700000000 1700000000120"),
        ("{{ .Year }} {{ .Month }} {{ .Day }} {{ .Weekday }}", "2023 November 14 Tuesday"),
        ('{{ (.Add 3600000000000).Format "15:04" }}', "23:13"),
        ("{{ .Before . }} {{ .Equal . }} {{ (.Sub .).Seconds }}", "false true 0"),
        ('{{ .UTC.Format "2006" }}', "2023"),
    ],
)
def test_methods(text, expected):
    assert filled(text, AT) == expected


def filled(text, value):
    return expand(parse_template(text, BUILTINS), value, BUILTINS)


DURATIONS = {0: "0s", 1: "1ns", 1100: "1.1µs", 2_200_000: "2.2ms", 3_300_000_000: "3.3s"}
DURATIONS |= {300_000_000_000: "5m0s", 3_661_000_000_000: "1h1m1s", -1_500_000_000: "-1.5s"}
DURATIONS |= {86_400_000_000_001: "24h0m0.000000001s"}


@pytest.mark.parametrize(("nanoseconds", "expected"), DURATIONS.items())
def test_durations(nanoseconds, expected):
    assert filled("{{ . }}", Duration(nanoseconds)) == expected


def test_duration_methods():
    long = Duration(5_425_678_000_000)
    assert filled("{{ .Seconds }} {{ .Round 60000000000 }}", long) == "5425.678 1h30m0s"
    assert filled("{{ .Hours }}", Duration(5_400_000_000_000)) == "1.5"
    assert filled("{{ .Truncate 3600000000000 }}", long) == "1h0m0s"


@given(st.integers(min_value=-(2**40), max_value=2**41))
def test_rfc_3339_is_what_python_says(timestamp_ms):
    found = Time.at_ms(timestamp_ms).format("2006-01-02T15:04:05.000Z07:00")
    expected = datetime.fromtimestamp(timestamp_ms // 1000, UTC).isoformat()[:19]
    assert found == f"{expected}.{timestamp_ms % 1000:03d}Z"


@given(st.integers())
def test_any_number_is_a_time_or_one_error(timestamp_ms):
    with suppress(TemplateError):
        assert str(Time.at_ms(timestamp_ms))
