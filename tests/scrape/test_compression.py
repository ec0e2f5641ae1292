from __future__ import annotations

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParseError, SizeLimitError
from tocsin.scrape.compression import GzipReader, gunzip


@given(st.binary(max_size=500), st.integers(1, 50))
def test_pieces_and_members_make_one_body(body, piece_size):
    packed = gzip.compress(body[:100]) + gzip.compress(body[100:])
    reader = GzipReader(1000)
    pieces = [packed[i : i + piece_size] for i in range(0, len(packed), piece_size)]
    assert b"".join(reader.feed(piece) for piece in pieces) == body
    reader.finish()


def test_the_limit_is_exact_and_holds_against_bombs():
    assert gunzip(gzip.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(SizeLimitError, match="larger than the limit of 99 bytes"):
        gunzip(gzip.compress(b"x" * 100), 99)
    with pytest.raises(SizeLimitError):
        gunzip(gzip.compress(bytes(50_000_000)), 1000)


def test_zlib_is_read_too():
    assert gunzip(zlib.compress(b"abc"), 10) == b"abc"


def test_a_body_that_is_cut_off():
    with pytest.raises(ParseError, match="cut off"):
        gunzip(gzip.compress(b"abc" * 100)[:-9], 1000)
    with pytest.raises(ParseError, match="cut off"):
        gunzip(b"", 1000)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body):
    with contextlib.suppress(ParseError):
        gunzip(body, 1000)
