from __future__ import annotations

import ast
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.receive.statsd.gathering import Gathering
from tests.support.cases import cases_dir

MAPPING = """
defaults: {observer_type: histogram, buckets: [1, 10]}
mappings:
- {match: m.*, name: mapped, labels: {of: $1}, scale: 2}
- {match: gone.*, name: gone, action: drop}
- {match: s, name: s, observer_type: summary}
"""
NAMES = st.sampled_from(["a", "m.x", "gone.x", "s", "datadog.dogstatsd.client.x", "t#k=v", "u[k=v]", ""])
NUMBERS = st.one_of(
    st.integers(-20, 20).map(str),
    st.sampled_from(
        ["+1", "-0", "1.5", "1e3", "1e400", "1_0", " 1", "", "x", "nan", "inf", "0x1p1", "1-1", "1:2"]
    ),
)
TYPES = st.sampled_from(["c", "g", "ms", "h", "d", "s", "", "c\r"])
TAILS = st.sampled_from(
    [
        "",
        "|@0.5",
        "|@0",
        "|@-1",
        "|@x",
        "|#k:v",
        "|#k",
        "|@0.1|#k:v,l:w",
        "|c:web",
        "|T17",
        "|T",
        "|",
        "|x",
        ":2|c",
    ]
)
LINES = st.builds("{}:{}|{}{}".format, NAMES, NUMBERS, TYPES, TAILS)


@given(st.lists(st.one_of(LINES, st.text(max_size=10)), max_size=40), st.sampled_from([1, 2, 1000]))
def test_lines_seen_before_do_what_lines_never_seen_do(lines, max_heads):
    written = [line.replace("\n", "").encode() for line in [*lines, *lines]]
    fast, slow = Gathering(MAPPING, max_heads=max_heads), Gathering(MAPPING)
    for _ in range(2):
        fast.take(b"\n".join(written))
        slow.take_as_if_first(*written)
        assert repr(fast.flush()) == repr(slow.flush())
    assert fast.tally == slow.tally


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_datagram_is_taken_without_an_error(datagrams):
    Gathering().take(*datagrams, *datagrams).flush()


def test_lines_are_counted_and_empty_ones_are_not():
    gathering = Gathering().take("a:1|c\n\na:1|c\nbad\n", "a:1|c", "", "\r\n")
    gathering.flush()
    assert gathering.tally["lines", ""] == 4
    assert gathering.tally["events", "counter"] == 3
    assert gathering.errors() == {"malformed_line": 1}


def test_lines_with_times_are_not_remembered():
    gathering = Gathering().take(*(f"a:1|c|T{n}" for n in range(100)))
    assert gathering.flush() == {"a": 100}
    assert not gathering.intake._heads


def test_what_is_remembered_is_bounded():
    gathering = Gathering(max_heads=10).take(*(f"a{n}:1|c" for n in range(95)), *["a0:1|c"] * 3)
    assert len(gathering.intake._heads) <= 10
    assert gathering.flush()["a0"] == 4
    assert gathering.tally["events", "counter"] == 98


def captured() -> list[bytes]:
    """The datagrams of a real FLARE job."""
    lines = (cases_dir("statsd") / "nvflare_capture.txt").read_text().splitlines()
    return [ast.literal_eval(line.split(" ", 3)[3]) for line in lines if line and line[0] != "#"]


def test_a_real_flare_job():
    datagrams = captured()
    lines = [line for datagram in datagrams for line in datagram.decode().splitlines()]
    own = [line for line in lines if not line.startswith("datadog.")]
    expected: Counter[str] = Counter()
    last: dict[str, float] = {}
    for line in own:
        name, value, kind, tags = re.fullmatch(r"(\w+):([^|]+)\|([cg])\|#(.*)", line).groups()
        labels = ",".join(f'{k}="{v}"' for k, v in sorted(tag.split(":") for tag in tags.split(",")))
        key = f"{name}{{{labels}}}"
        if kind == "c":
            expected[key] += int(value)
        else:
            last[key] = float(value)
    gathering = Gathering().take(*datagrams)
    assert gathering.flush() == {**expected, **last}
    assert gathering.errors() == {}
    assert gathering.tally["lines", ""] == len(lines)
    assert gathering.tally["dropped", "client_metrics"] == len(lines) - len(own)
    assert gathering.tally["events", "counter"] == sum(expected.values())
    assert all(key.startswith("_") for key in gathering.flush())


@pytest.mark.parametrize("number", ["1", "1.5", "+2", "-3"])
def test_a_gauge_seen_before_moves_like_one_that_was_not(number):
    first = Gathering().take("a:10|g", f"a:{number}|g").flush()
    again = Gathering().take("a:7|g", "a:8|g", "a:10|g", f"a:{number}|g").flush()
    assert first == again
