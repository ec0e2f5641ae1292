from __future__ import annotations

import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParseError, SizeLimitError
from tocsin.model import Labels, MetricType
from tocsin.receive import decode_text_import

NOW_MS = 1_700_000_000_000


def rows(received):
    batch = received.batch
    columns = zip(batch.series_index, batch.timestamps_ms.tolist(), batch.values.tolist(), strict=True)
    return [(str(batch.series[index]), timestamp_ms, value) for index, timestamp_ms, value in columns]


def test_lines_with_and_without_times():
    received = decode_text_import(
        b'# TYPE loss gauge\nloss{run="a"} 0.5 1000\nloss{run="a"} 0.4 2000\nup 1\n', "", NOW_MS
    )
    assert sorted(rows(received)) == [
        ('loss{run="a"}', 1000, 0.5),
        ('loss{run="a"}', 2000, 0.4),
        ("up", NOW_MS, 1.0),
    ]
    assert received.metadata["loss"].type is MetricType.GAUGE
    assert received.dropped == {}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip(encoding):
    assert rows(decode_text_import(gzip.compress(b"a 1 5"), encoding, NOW_MS)) == [("a", 5, 1.0)]


def test_extra_labels_win():
    received = decode_text_import(b'a{job="x"} 1', "", NOW_MS, extra_labels=["job=y", "eq=a=b"])
    assert received.batch.series == [Labels({"__name__": "a", "job": "y", "eq": "a=b"})]


def test_an_empty_body_is_no_sample():
    assert len(decode_text_import(b"", "", NOW_MS).batch) == 0


@pytest.mark.parametrize(
    ("body", "encoding", "options", "message"),
    [
        (b"a 1\nb\nc 1", "", {}, 'line 2: not a sample: "b"'),
        (b"a 1", "br", {}, 'the Content-Encoding "br" is not known'),
        (b"a 1", "gzip", {}, "the body is not gzip"),
        (b"a 1", "", {"extra_labels": ["job"]}, 'the parameter extra_label is "job"'),
    ],
)
def test_faults(body, encoding, options, message):
    with pytest.raises(ParseError, match=message):
        decode_text_import(body, encoding, NOW_MS, **options)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"a 1\n" * 100, ""), (gzip.compress(b"a 1\n" * 100, mtime=0), "gzip")],
    ids=["plain", "gzip"],
)
def test_the_limit(body, encoding):
    with pytest.raises(SizeLimitError):
        decode_text_import(body, encoding, NOW_MS, max_bytes=399)
    assert len(decode_text_import(body, encoding, NOW_MS, max_bytes=400).batch) == 1


@given(st.binary(max_size=200), st.sampled_from(["", "gzip"]))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body, encoding):
    with contextlib.suppress(ParseError):
        decode_text_import(body, encoding, NOW_MS)
