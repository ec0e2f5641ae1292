from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.cases import CASES, cases_dir
from tocsin.errors import ParseError
from tocsin.model import MetricType
from tocsin.scrape import ExpositionParser, OpenMetricsFormat, check_openmetrics

UNSTORABLE_TIME = "12345678901234567890.1"
CASE_FILE = CASES / "openmetrics" / "cases.jsonl"


def outside_cases():
    lines = CASE_FILE.read_text().splitlines() if CASE_FILE.exists() else []
    return [json.loads(line) for line in lines]


def parse(text):
    return ExpositionParser(OpenMetricsFormat()).parse(text.encode())


def is_strict(text):
    try:
        check_openmetrics(text.encode())
    except ParseError:
        return False
    return True


def test_the_outside_cases_are_complete():
    cases_dir("openmetrics")
    cases = outside_cases()
    assert len(cases) == 106
    assert sum(case["should_parse"] for case in cases) == 22


@pytest.mark.parametrize("case", outside_cases(), ids=lambda case: case["name"])
def test_outside_case(case):
    assert is_strict(case["text"]) is case["should_parse"]


@pytest.mark.parametrize(
    "case",
    [case for case in outside_cases() if case["should_parse"] and UNSTORABLE_TIME not in case["text"]],
    ids=lambda case: case["name"],
)
def test_a_scrape_takes_what_is_strictly_right(case):
    lines = [line for line in case["text"].splitlines() if not line.startswith("#")]
    exposition = parse(case["text"])
    assert exposition.scraped_count == check_openmetrics(case["text"].encode()) == len(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1\n", "OpenMetrics text must end with # EOF"),
        ("a 1\n\n# EOF\n", "line 2: a blank line"),
        ("a  1\n# EOF\n", "line 1: not an OpenMetrics sample"),
        ("a 1 \n# EOF\n", "line 1: not an OpenMetrics sample"),
        ('a{b="1",} 1\n# EOF\n', "line 1: not an OpenMetrics sample"),
        ("a 1\na 0x1\n# EOF\n", 'line 2: the value "0x1" is not a number'),
        ("a 1 Inf\n# EOF\n", 'the timestamp "Inf" is not a number of seconds'),
        ("a 1 1e30\n# EOF\n", r"the timestamp 1\.0*1?e\+33 ms is out of range"),
        ("a 1 1e308\n# EOF\n", "the timestamp inf ms is out of range"),
        ("# FOO a x\n# EOF\n", "line 1: not HELP, TYPE or UNIT"),
        ("# TYPE a untyped\n# EOF\n", 'the type of "a" is "untyped"'),
        (f'a_total 1 # {{a="{"x" * 200}"}} 1\n# EOF\n', "longer than 128 characters"),
    ],
)
def test_a_scrape_refuses_faulty_lines(text, message):
    with pytest.raises(ParseError, match=message):
        parse(text)


def test_timestamps_are_seconds():
    batch = parse("a 1 1700000000.1234\nb 2 1.5e3\nc 3\n# EOF\n").batch(5)
    assert batch.timestamps_ms.tolist() == [1_700_000_000_123, 1_500_000, 5]


def test_exemplars_are_left_out():
    text = 'a_bucket{le="1 # "} 2 # {id="x # y"} 0.5 123.4\na_bucket{le="+Inf"} 3 # {} 1\n# EOF\n'
    parser = ExpositionParser(OpenMetricsFormat())
    for _ in range(2):
        exposition = parser.parse(text.encode())
        assert exposition.values.tolist() == [2.0, 3.0]
        assert exposition.timestamps_ms is None
    assert exposition.layout.series[0]["le"] == "1 # "


def test_metadata():
    text = '# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds say \\"so\\"\n# EOF\n'
    metadata = parse(text).metadata["a_seconds"]
    assert (metadata.type, metadata.unit, metadata.help) == (MetricType.COUNTER, "seconds", 'say "so"')


def test_a_scrape_takes_families_that_are_not_strictly_right():
    text = "# TYPE a histogram\na_sum 1\n# TYPE b counter\nb 1\n# EOF\n"
    assert parse(text).scraped_count == 2
    assert not is_strict(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# TYPE a counter\na_total -1\n# EOF\n", 'line 2: the value of "a_total" is negative: -1'),
        (
            "# TYPE a counter\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n",
            'line 5: the name "a" belongs to two',
        ),
        ("# TYPE a histogram\na_sum 1\n# EOF\n", 'line 3: the histogram "a" does not end in a bucket'),
        ('# TYPE a histogram\na_bucket{le="+Inf"} 1.5\n# EOF\n', "not a whole number: 1.5"),
        ("# UNIT a s\na 1\n# EOF\n", 'does not end in its unit "s"'),
        ("a 1 2\na 1 1\n# EOF\n", "go backwards"),
        ('a{x="1"} 1\na{x="2"} 1\na{x="1"} 1\n# EOF\n', "do not stand together"),
    ],
)
def test_strict_faults_say_what_is_wrong(text, message):
    with pytest.raises(ParseError, match=message):
        check_openmetrics(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"{text}\n# EOF\n".encode()))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body):
    for read in (check_openmetrics, ExpositionParser(OpenMetricsFormat()).parse):
        with contextlib.suppress(ParseError):
            read(body)


# Their parser compares times only to the nanosecond, and cannot compare the two notations of a time.
lines = st.sampled_from(
    [
        line
        for case in outside_cases()
        for line in case["text"].splitlines()
        if " 0.000000000" not in line and "1.5e3" not in line
    ]
    or ["a 1", "# TYPE a gauge", "# EOF"]
)


@given(st.lists(lines, max_size=8))
def test_agrees_with_prometheus_client_on_mixed_lines(chosen):
    text = "\n".join([*chosen, "# EOF", ""])
    try:
        list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        theirs = False
    else:
        theirs = True
    assert is_strict(text) is theirs
