from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import cases_dir
from tocsin.config.statsd import TagFormat
from tocsin.receive.statsd import parse_line

# The outside cases list no events for these two, which differ from a case that lists six in the name alone.
UNDECIDED = {
    "SignalFX no tags with invalid Datadog style extended aggregation values and timings type",
    "Influx no tags with invalid Datadog style extended aggregation values and histogram type",
}


def events(line: bytes, **options):
    """Events as the outside cases write them, each observation by itself."""
    return [
        {
            "type": event.type.value,
            "name": event.name,
            "value": event.value,
            "labels": dict(event.labels),
            "relative": event.relative,
        }
        for event in parse_line(line, **options).events
        for _ in range(event.count)
    ]


def test_outside_cases():
    cases = json.loads((cases_dir("statsd") / "lines.json").read_text())
    assert cases
    for case in cases:
        line = case["line"].encode() if case["line"] is not None else bytes.fromhex(case["line_hex"])
        expected = [{"relative": False, **event} for event in case["events"]]
        if case["name"] not in UNDECIDED:
            assert events(line) == expected, case["name"]


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        (b"foo", ["malformed_line"]),
        (b":1|c", ["malformed_line"]),
        (b"\xff:1|c", ["malformed_line"]),
        (b"foo:1", ["not_enough_parts_after_colon"]),
        (b"foo:1:2|c", ["invalid_extended_aggregate_type"]),
        (b"foo#a=b:1|c|#c:d", ["mixed_tagging_styles"]),
        (b"foo:one|c", ["malformed_value"]),
        (b"foo:1_0|c", ["malformed_value"]),
        (b"foo:1|c||@1", ["malformed_component"]),
        (b"foo:1|c|@1|@1|@1|@1|@1|@1|@1", ["malformed_component"]),
        (b"foo:1|c|x", ["invalid_sample_factor"]),
        (b"foo:1|ms|@1e-9", ["invalid_sample_factor"]),
        (b"foo:1|c|#a:b|c:", ["malformed_container_id"]),
        (b"foo:1|s", ["illegal_event"]),
        (b"foo:1|bar", ["illegal_event"]),
    ],
)
def test_refused_lines_and_why(line, reasons):
    parsed = parse_line(line)
    assert parsed.faults == reasons
    assert not parsed.events


@pytest.mark.parametrize(
    ("line", "reason", "labels"),
    [
        (b"foo:1|c|@often", "invalid_sample_factor", {}),
        (b"foo:1|c|#a,b:c", "malformed_tag", {"b": "c"}),
        (b"foo:1|c|#a:,:b", "malformed_tag", {}),
        (b"foo]a:1|c", "malformed_tag", {}),
        (b"foo:1|c|Tnow", "malformed_timestamp", {}),
    ],
)
def test_faults_that_leave_the_event(line, reason, labels):
    parsed = parse_line(line)
    assert set(parsed.faults) == {reason}
    assert [dict(event.labels) for event in parsed.events] == [labels]
    assert parsed.events[0].value == 1


@pytest.mark.parametrize(
    ("line", "label"),
    [
        (b"foo:1|c|#a:b", TagFormat.DOGSTATSD),
        (b"foo,a=b:1|c", TagFormat.INFLUXDB),
        (b"foo#a=b:1|c", TagFormat.LIBRATO),
        (b"foo[a=b]:1|c", TagFormat.SIGNALFX),
    ],
)
def test_each_dialect_alone(line, label):
    assert events(line, formats=frozenset({label}))[0]["labels"] == {"a": "b"}
    others = frozenset(TagFormat) - {label}
    assert events(line, formats=others)[0]["labels"] == {}


def test_several_samples_in_a_line():
    found = events(b"foo:1|c:-2|g:300|ms")
    assert [(each["type"], each["value"], each["relative"]) for each in found] == [
        ("counter", 1, False),
        ("gauge", -2, True),
        ("observer", 0.3, False),
    ]


@pytest.mark.parametrize("line", [b"foo:1|c|c:web-1", b"foo:1|c|@1|c:web-1|T1700000000"])
def test_a_container_without_tags(line):
    assert [each["labels"] for each in events(line)] == [{"container_id": "web-1"}]


@pytest.mark.parametrize("line", [b"foo:1|c:2|c", b"foo:1|c|@1:2|c:3|c"])
def test_a_colon_before_another_sample_is_no_container(line):
    assert all(each["labels"] == {} for each in events(line))
    assert [each["value"] for each in events(line)] == [1, 2, 3][: line.count(b":")]


def test_a_good_sample_beside_a_bad_one():
    parsed = parse_line(b"foo:1|c:x|c")
    assert parsed.faults == ["malformed_value"]
    assert [event.value for event in parsed.events] == [1]
    assert parsed.sample_count == 2


@pytest.mark.parametrize(
    ("rate", "count"), [("0.1", 10), ("0.3", 3), ("1", 1), ("2", 0), ("-1", 0), ("0", 1)]
)
def test_a_sampled_observer_counts_as_many(rate, count):
    assert len(events(f"foo:1|h|@{rate}".encode())) == count


def test_sampling_does_not_touch_gauges():
    assert events(b"foo:5|g|@0.1")[0]["value"] == 5


PIECES = st.sampled_from(
    [*"foo:1|c|#a:b,=[]@0.5TgmsHd -+.", "|#", "|@", "|c:", "\n", "\r", "é", "ms", "nan", "1e400"]
)


@given(st.one_of(st.binary(), st.lists(PIECES, max_size=30).map("".join).map(str.encode)))
def test_any_bytes_are_read_without_an_error(line):
    parsed = parse_line(line)
    for event in parsed.events:
        assert event.count > 0
        assert all(event.labels.values())
    assert parsed.events or parsed.faults or not line or b"@" in line or b"|" in line
