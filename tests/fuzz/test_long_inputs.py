"""Inputs that go on and on: what is read in time that grows with the square of them never ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.fuzz.test_expositions import PARSERS as EXPOSITIONS
from tests.fuzz.test_push_urls import PARSERS as PUSH_URLS
from tests.fuzz.test_statsd import PARSERS as STATSD
from tocsin.config import parse_source
from tocsin.config.go_duration import parse_go_duration_ms
from tocsin.config.matchers import parse_matchers
from tocsin.config.statsd import validate_mapping
from tocsin.errors import TocsinError
from tocsin.model import parse_duration_ms
from tocsin.promql import parse
from tocsin.web.parameters import Parameters

LENGTH = 200_000
SLOW_LENGTHS = {"PromQL": 20_000}
"""What is wrong in a query is explained token by token."""

UNITS = (b"1", b"a", b" ", b'"', b"\\", b".", b"-", b"1.", b"e1", b",")
PLAIN = {"Prometheus text", "OpenMetrics", "OpenMetrics check", "push URLs", "times to live", "StatsD lines"}


def read_mapping(text: str) -> None:
    validate_mapping(parse_source(f"defaults: {{ttl: '{text}'}}", "mapping.yml"))


def read_time(text: str) -> None:
    Parameters({"time": [text]}).time_ms("time")


def read_step(text: str) -> None:
    Parameters({"step": [text]}).duration_ms("step")


def decoded(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode())


READERS = {fuzzed.name: fuzzed.take for fuzzed in (*EXPOSITIONS, *PUSH_URLS, *STATSD) if fuzzed.name in PLAIN}
READERS |= {
    "PromQL": decoded(parse),
    "matchers": decoded(parse_matchers),
    "durations": decoded(parse_duration_ms),
    "times of requests": decoded(read_time),
    "steps of requests": decoded(read_step),
    "durations of Go": decoded(parse_go_duration_ms),
    "durations of StatsD mappings": decoded(read_mapping),
}
AROUND = ((b"", b""), (b"", b"_"), (b"0x", b"_"), (b"a:1", b"|c"), (b'a="', b'"}'), (b"rate(x[5m] ", b"_"))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", READERS)
def test_a_long_input_is_read_or_refused(name, unit):
    count = SLOW_LENGTHS.get(name, LENGTH) // len(unit)
    for beginning, end in AROUND:
        with suppress(TocsinError, ValueError):
            READERS[name](beginning + unit * count + end)
