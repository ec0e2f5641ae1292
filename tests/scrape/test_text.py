from __future__ import annotations

import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cases import cases_dir
from tocsin.errors import ParseError
from tocsin.model import METRIC_NAME, Labels, MetricType
from tocsin.scrape import ExpositionParser, OpenMetricsFormat, TextFormat
from tocsin.scrape.syntax import _parse_any_series, parse_series

FILES = {
    "node_exporter.e2e-output.txt": TextFormat,
    "alltypes.237mfs.prom.txt": TextFormat,
    "alltypes.237mfs.nometa.prom.txt": TextFormat,
    "alltypes.5mfs.om.txt": OpenMetricsFormat,
    "1histogram.om.txt": OpenMetricsFormat,
}

names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,10}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True).filter(lambda n: n != METRIC_NAME)
label_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
series = st.builds(
    lambda name, labels: Labels({**labels, METRIC_NAME: name}),
    names,
    st.dictionaries(label_names, label_values, max_size=4),
)


def parse(text: str | bytes, text_format=TextFormat):
    body = text.encode() if isinstance(text, str) else text
    return ExpositionParser(text_format()).parse(body)


def samples(exposition, now_ms=0):
    batch = exposition.batch(now_ms)
    rows = zip(batch.series_index, batch.timestamps_ms.tolist(), batch.values.tolist(), strict=True)
    return {(str(batch.series[index]), timestamp_ms): value for index, timestamp_ms, value in rows}


def equal(left, right):
    return left.keys() == right.keys() and all(
        left[key] == right[key] or (math.isnan(left[key]) and math.isnan(right[key])) for key in left
    )


@pytest.mark.parametrize("name", FILES)
def test_outside_expositions(name):
    body = (cases_dir("textformat") / name).read_bytes()
    lines = [line for line in body.split(b"\n") if line and not line.startswith(b"#")]
    exposition = parse(body, FILES[name])
    assert exposition.scraped_count == len(lines)
    assert len(exposition.values) == len(lines)
    written = "".join(f"{key} {value!r}\n" for (key, _), value in samples(exposition).items())
    assert equal(samples(parse(written)), samples(exposition))


@pytest.mark.parametrize("name", [name for name, kind in FILES.items() if kind is TextFormat])
def test_agrees_with_prometheus_client(name):
    text = (cases_dir("textformat") / name).read_text()
    theirs = {
        (str(Labels({**sample.labels, METRIC_NAME: sample.name})), 0): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    ours = samples(parse(text))
    # Their parser renames counters that do not end in _total.
    renamed = {key for key in theirs if key not in ours}
    assert len(renamed) < 0.1 * len(theirs)
    shared = theirs.keys() & ours.keys()
    assert equal({key: theirs[key] for key in shared}, {key: ours[key] for key in shared})


@pytest.mark.parametrize(
    ("line", "series_text", "value"),
    [
        ("a 1", "a", 1.0),
        ("a{} 1", "a", 1.0),
        ('a{b="c"} 1', 'a{b="c"}', 1.0),
        ('a{b="c"}1', 'a{b="c"}', 1.0),
        ('  a { b = "c" , d="e", }\t 1 ', 'a{b="c",d="e"}', 1.0),
        (r'a{b="x\\y\"z\nw\q"} 1', 'a{b="x\\\\y\\"z\\nw\\\\q"}', 1.0),
        ('a{b="} 7",c="# "} 1', 'a{b="} 7",c="# "}', 1.0),
        ('a{b=""} 1', "a", 1.0),
        ('{"a"} 1', "a", 1.0),
        ('{"my.metric", a="b"} 1', '{"my.metric"}', 1.0),
        ('a{"l.x"="y"} 1', 'a{l.x="y"}', 1.0),
        ("a +Inf", "a", math.inf),
        ("a -inf", "a", -math.inf),
        ("a Infinity", "a", math.inf),
        ("a 1e3", "a", 1000.0),
        ("a .5", "a", 0.5),
        ("a 5.", "a", 5.0),
    ],
)
def test_forms_of_a_line(line, series_text, value):
    exposition = parse(line)
    if "my.metric" in line:
        assert exposition.layout.series == [Labels({METRIC_NAME: "my.metric", "a": "b"})]
    else:
        assert [str(labels) for labels in exposition.layout.series] == [series_text]
    assert exposition.values.tolist() == [value]


def test_nan_and_timestamps():
    batch = parse("a NaN\nb 1 1500\nc 2 -3\n").batch(9)
    assert math.isnan(batch.values[0])
    assert batch.timestamps_ms.tolist() == [9, 1500, -3]


def test_samples_of_one_series_at_several_times():
    exposition = parse("a 1 10\na 2 20\n")
    assert samples(exposition) == {("a", 10): 1.0, ("a", 20): 2.0}
    assert exposition.layout.duplicate_count == 0


def test_the_first_of_two_equal_series_counts():
    exposition = parse('a{x="1",y="2"} 1\na{y="2",x="1"} 2\n')
    assert samples(exposition) == {('a{x="1",y="2"}', 0): 1.0}
    assert (exposition.scraped_count, exposition.layout.duplicate_count) == (2, 1)


def test_metadata():
    text = '# HELP a so\\nmuch \\"\n# TYPE a counter\n# TYPE "b.c" untyped\n#comment\n# a comment\na 1\n'
    metadata = parse(text).metadata
    assert metadata["a"].type is MetricType.COUNTER
    assert metadata["a"].help == 'so\nmuch \\"'
    assert metadata["b.c"].type is MetricType.UNKNOWN
    assert metadata.keys() == {"a", "b.c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", 'line 1: not a sample: "a"'),
        ("a 1\nb\n", 'line 2: not a sample: "b"'),
        ("a x", 'line 1: the value "x" is not a number'),
        ("a 1_0", 'the value "1_0" is not a number'),
        ("a 0x10", 'the value "0x10" is not a number'),
        ("a \u0661", "the value"),
        ("a 1\r\n", r'the value "1\\r" is not a number'),
        ("a 1 x", 'the timestamp "x" is not a whole number of milliseconds'),
        ("a 1 1.5", 'the timestamp "1.5"'),
        ("a 1 99999999999999999999", "the timestamp"),
        ("a 1 -9007199254740993", "the timestamp -9007199254740993 ms is out of range"),
        ("a-b 1", "a name may hold letters"),
        ('a{b="1",b="2"} 1', 'the label "b" stands twice'),
        ('a{b="1" c="2"} 1', "a comma is missing"),
        ("a{b} 1", 'the label "b" has no value'),
        ("a{b=c} 1", 'the label "b" has no quoted value'),
        ('a{1b="c"} 1', "a label name is missing or not valid"),
        ('a{""="c"} 1', "a label name is empty"),
        ('{a="b"} 1', "a metric name is missing"),
        ('a{b="c 1', "not a sample"),
        (b'a{b="\xff"} 1', "not UTF-8"),
        ("a 1\n# TYPE a meh\n", 'line 2: the type of "a" is "meh"'),
    ],
)
def test_faults_name_their_line(text, message):
    with pytest.raises(ParseError, match=message):
        parse(text)


def test_a_fault_is_found_in_later_expositions_too():
    parser = ExpositionParser(TextFormat())
    parser.parse(b"a 1\nb 2\n")
    with pytest.raises(ParseError, match='line 2: the value "1_0" is not a number'):
        parser.parse(b"a 1\nb 1_0\n")
    with pytest.raises(ParseError, match=r'line 1: the timestamp "2x" is not a whole number'):
        parser.parse(b"a 1\t2x\nb 1\n")
    assert parser.parse(b"a 3\nb 4\n").values.tolist() == [3.0, 4.0]


def test_what_repeats_is_parsed_once():
    resolved = []

    def resolve(labels):
        resolved.append(labels[METRIC_NAME])
        return Labels(labels)

    parser = ExpositionParser(TextFormat(), resolve)
    first = parser.parse(b"# TYPE a gauge\na 1\nb 2\n")
    second = parser.parse(b"# TYPE a gauge\na 3\nb 4\n")
    third = parser.parse(b"# TYPE a gauge\na 3\nb 4\nc 5\n")
    assert resolved == ["a", "b", "c"]
    assert second.layout is first.layout
    assert second.metadata is first.metadata
    assert [str(labels) for labels in third.layout.series] == ["a", "b", "c"]


def test_series_that_are_no_longer_given_are_forgotten():
    parser = ExpositionParser(TextFormat())
    for round_number in range(5):
        parser.parse("".join(f"m{round_number}_{i} 1\n" for i in range(1000)).encode())
    assert len(parser._row_of_text) <= 3000
    assert parser.parse(b"m4_0 7\n").values.tolist() == [7.0]


def test_dropped_series_leave_no_sample():
    parser = ExpositionParser(TextFormat(), lambda labels: None if "x" in labels else Labels(labels))
    exposition = parser.parse(b'a{x="1"} 1\nb 2\n')
    assert (exposition.scraped_count, exposition.layout.relabelled_count) == (2, 1)
    assert samples(exposition) == {("b", 0): 2.0}


@given(st.lists(st.tuples(series, st.floats(), st.none() | st.integers(-(10**15), 10**15)), max_size=8))
def test_round_trip(rows):
    rows = list({(labels, time): (labels, value, time) for labels, value, time in rows}.values())
    text = "".join(f"{s} {v!r}{'' if t is None else f' {t}'}\n" for s, v, t in rows)
    parser = ExpositionParser(TextFormat())
    now_ms = -(10**16)
    expected = {(str(s), now_ms if t is None else t): v for s, v, t in rows}
    for _ in range(2):
        assert equal(samples(parser.parse(text.encode()), now_ms), expected)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body):
    parser = ExpositionParser(TextFormat())
    parser.parse(b"a 1\n")
    for _ in range(2):
        with contextlib.suppress(ParseError):
            parser.parse(body)


pieces = st.sampled_from(
    [
        "a",
        "b_total",
        "{",
        "}",
        '"',
        "=",
        ",",
        " ",
        "\n",
        "1",
        "2.5",
        "NaN",
        "#",
        "# TYPE ",
        "\\",
        "\t",
        '{x="y"}',
    ]
)


labels_text = st.lists(st.sampled_from(["a", "b", '"c.d"', "=", '"v"', '"\\n"', ",", " "]), max_size=12).map(
    "".join
)


@given(st.sampled_from(["m", ""]), labels_text)
def test_the_short_way_to_read_a_series_agrees_with_the_long_one(name, inside):
    text = f"{name}{{{inside}}}".encode()
    try:
        expected = _parse_any_series(text)
    except ParseError:
        with pytest.raises(ParseError):
            parse_series(text)
    else:
        assert parse_series(text) == expected


@given(st.lists(pieces, max_size=30).map("".join))
def test_a_repeated_exposition_reads_like_the_first(text):
    parser = ExpositionParser(TextFormat())
    try:
        first = samples(parser.parse(text.encode()))
    except ParseError as error:
        with pytest.raises(ParseError, match=f"^{re.escape(str(error))}$"):
            parser.parse(text.encode())
    else:
        assert equal(samples(parser.parse(text.encode())), first)
