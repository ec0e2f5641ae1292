"""URLs of a Pushgateway, and the time to live that may come with them."""

from __future__ import annotations

import base64

import pytest

from tests.fuzz.mutations import text_mutator
from tests.fuzz.running import LEGACY_LABEL, Fuzzed, run
from tocsin.errors import ParseError
from tocsin.web.push_api import grouping_key, time_to_live_ms

PATHS = [
    b"job/backup",
    b"job/backup/instance/a:9100/",
    b"job@base64/YS9i/path@base64/L3Zhcg",
    b"job/x/empty@base64/=/dir@base64/L3Zhcg==",
    base64.b64encode(b"/a?b" * 9, b"-_").join((b"job/a/long@base64/", b"/b/c")),
]
PATH_WORDS = b"/|job|@base64|=|==|-_|+/|__name__|le|//|/job/|%2F|_8".split(b"|")
TIMES = [b"1h30m", b"5s", b"250ms", b"1y2w3d", b"0"]
TIME_WORDS = b"y|w|d|h|m|s|ms|0|-| |.".split(b"|")


def take_path(data: bytes) -> None:
    grouping = grouping_key(data.decode("utf-8", "replace"))
    assert grouping["job"]
    for name, value in grouping.items():
        assert LEGACY_LABEL.fullmatch(name)
        assert not name.startswith("__")
        value.encode()


def take_time(data: bytes) -> None:
    ttl_ms = time_to_live_ms(data.decode("utf-8", "replace"))
    assert ttl_ms is not None
    assert 0 < ttl_ms < 2**53


PARSERS = [
    Fuzzed("push URLs", PATHS, text_mutator(PATH_WORDS), take_path, (ParseError,)),
    Fuzzed("times to live", TIMES, text_mutator(TIME_WORDS), take_time, (ParseError,)),
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_every_text_is_read_or_refused(parser):
    run(parser)
