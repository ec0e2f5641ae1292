"""Lines of StatsD, their framing, and mapping files."""

from __future__ import annotations

import json
import random
from functools import cache

import pytest

from tests.fuzz.mutations import text_mutator
from tests.fuzz.running import Fuzzed, check_batch, run
from tests.receive.statsd.gathering import Gathering
from tests.support.cases import CASES
from tocsin.config import parse_source
from tocsin.config.statsd import EventType, StatsdMappingConfig, validate_mapping
from tocsin.errors import ConfigError
from tocsin.receive.statsd import Mapper, escape_name
from tocsin.receive.statsd.stream import MAX_LINE_BYTES, LineProtocol, StreamHandlers

MAX_SEED_BYTES = 400

LINES = [
    b"a:1|c",
    b"a.b-c:-2.5|g\na.b-c:+1|g",
    b"latency:320|ms|@0.5|#site:a,env:b\nlatency:3:4:5|h",
    b"a,tag=value,other=2:1|c",
    b"a#tag=value:1|c",
    b"a[tag=value,b=2]rest:1|d",
    b"old:1|c:2|g|@0.1:3|ms",
    b"x:1|c|c:web-1|T1700000000|#k:v\r\n",
    b"datadog.dogstatsd.client.x:1|c",
    b"route.a.b.hits:7|c\nroute.a.hits:7|ms\nhist.x:0.2|h|@0.001",
    b"re-12-x:1|c\nre-12-x:0x1p5|g\nre-12-x:NaN|g\nre-12-x:-inf|g",
]
LINE_WORDS = (
    b"c|g|ms|h|d|s||c|#a:b|@0.1|T1|c:x|:|,|=|#|[|]|@|@0|@-1|@1e-300|@nan|\n|\r\n|.|..|*|a|le:1|quantile:1|"
    b"__name__:x|#__x:1|route|re-1-|hist.x|-|\x00"
).split(b"|")
TYPE_WORDS = (b"|", b"|c", b"|g", b"|ms", b"|#", b"|@")
MAPPING = """
defaults: {ttl: 5s}
mappings:
- {match: route.*.*.hits, name: "hits_${2}", labels: {who: "$1"}}
- {match: "route.*.hits", name: hits, observer_type: histogram, histogram_options: {buckets: [1, 2]}}
- {match: "re-([0-9]+)-(.*)", match_type: regex, name: "$2_$1", labels: {n: "$1$3"}, scale: 2}
- {match: hist.*, name: hist, observer_type: histogram, honor_labels: true, match_metric_type: timer}
- {match: a.*, name: dropped, action: drop}
"""


def outside(file_name: str, key: str) -> list[bytes]:
    file = CASES / "statsd" / file_name
    cases = json.loads(file.read_text()) if file.exists() else []
    texts = [case[key].encode() for case in cases if case[key] is not None]
    return [text for text in texts if len(text) <= MAX_SEED_BYTES]


class BothWays:
    """Takes datagrams with and without remembering what lines were like."""

    DATAGRAMS = 500

    def __init__(self) -> None:
        self._count = 0

    def take(self, data: bytes) -> None:
        if self._count % self.DATAGRAMS == 0:
            self._fast, self._slow = (Gathering(MAPPING, max_series=1000, max_heads=50) for _ in range(2))
        self._count += 1
        self._fast.take(data)
        for line in data.split(b"\n"):
            self._slow.take_as_if_first(line)
        if self._count % 50 == 0:
            self._flush(self._count * 100)
        if self._count % self.DATAGRAMS == 0:
            self._fast._count()
            self._slow._count()
            assert self._fast.tally == self._slow.tally

    def _flush(self, now_ms: int) -> None:
        fast, slow = self._fast.flush(now_ms), self._slow.flush(now_ms)
        assert repr(fast) == repr(slow)
        check_batch(self._fast.registry.batch(now_ms), legacy=True)


class Transport:
    """Knows only whether it was closed."""

    is_closed = False

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def lines_in(pieces: list[bytes], failures: list[str]) -> list[bytes]:
    """What a connection makes of pieces."""
    taken: list[bytes] = []
    handlers = StreamHandlers(taken.append, lambda _: None, lambda: None, failures.append)
    protocol = LineProtocol.__new__(LineProtocol)
    protocol._handlers, protocol._rest, protocol._transport = handlers, b"", Transport()
    for piece in pieces:
        protocol.data_received(piece)
        assert len(protocol._rest) <= MAX_LINE_BYTES
    if not failures:
        protocol.eof_received()
    return [line for chunk in taken for line in chunk.split(b"\n") if line]


def mutate_stream(rng: random.Random, seeds) -> bytes:
    ends = rng.choices((b"\n", b"\n", b"", b"\n\n"), k=rng.randrange(1, 6))
    return b"".join(mutate_lines(rng, seeds) + end for end in ends)


def take_stream(data: bytes) -> None:
    """However a stream is cut, its lines are the same, unless one of them is too long."""
    rng, pieces, at, failures = random.Random(len(data)), [], 0, []
    while at < len(data):
        end = at + rng.choice((1, 3, 20, 1500, 65_536))
        pieces.append(data[at:end])
        at = end
    expected = [line for line in data.split(b"\n") if line]
    found = lines_in(pieces, failures)
    if failures:
        assert max(map(len, expected)) > MAX_LINE_BYTES
        assert found == expected[: len(found)]
    else:
        assert found == expected


BOTH_WAYS = b"""
defaults: {observer_type: histogram, histogram_options: {buckets: [0.1, 1]}, glob_disable_ordering: true}
mappings:
- {match: "a.*.b.*", name: "x_${1}", ttl: 1m30s, match_metric_type: counter}
- match: a.b.b.c
  name: y
  observer_type: summary
  summary_options: {quantiles: [{quantile: 0.5, error: 0.1}], max_age: 5m}
"""
BY_REGEX = b"""
mappings:
- {match: "(?P<n>.*)-x", match_type: regex, name: "${1}_y", labels: {a: "${n}", b: "$$"}, scale: 1e-3}
"""
MAPPINGS = [
    MAPPING.encode(),
    b"mappings: [{match: web.*, name: web, labels: {site: $1}}]",
    BOTH_WAYS,
    BY_REGEX,
    b"",
]
MAPPING_WORDS = (
    b"match|name|labels|match_type|regex|glob|observer_type|histogram|summary|timer_type|buckets|quantiles|"
    b"ttl|action|drop|map|match_metric_type|counter|gauge|timer|observer|summary_options|histogram_options|"
    b"max_age|age_buckets|scale|honor_labels|help|mappings|defaults|glob_disable_ordering|$1|${1}|$9|$0|$$|"
    b"${a}|*|.|(|)|[|]|{|}|: |- |\n|\n  |, |'|\"|&a|*a|!!int|<<: |\\|(?P<n>|a{1000}|\\C|x*|5s|1h|"
    b"$99999999999999999999|---\n|? |"
).split(b"|")
NAMES = ("web.a", "a.b.b.c", "a.x.b.y", "re-12-x", "q-x", "", ".", "a." * 150, "*.*", "route.a.b.hits", "é-x")


def take_mapping(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    mapper = Mapper(validated(text))
    for name in NAMES:
        for event_type in EventType:
            mapped = mapper.find(name, event_type)
            if mapped is not None:
                escape_name(mapped.name).encode()
                assert all(isinstance(value, str) for value in mapped.labels.values())


@cache
def _no_mapping() -> StatsdMappingConfig:
    return validate_mapping(parse_source("", "mapping.yml"))


def validated(text: str) -> StatsdMappingConfig:
    return validate_mapping(parse_source(text, "mapping.yml")) if text else _no_mapping()


mutate_lines = text_mutator((*LINE_WORDS, *TYPE_WORDS))
ALL_LINES = LINES + outside("lines.json", "line")

PARSERS = [
    Fuzzed("StatsD lines", ALL_LINES, mutate_lines, BothWays().take, ()),
    Fuzzed("StatsD over TCP", ALL_LINES, mutate_stream, take_stream, ()),
    Fuzzed(
        "StatsD mappings",
        MAPPINGS + outside("mapper.json", "config"),
        text_mutator(MAPPING_WORDS),
        take_mapping,
        (ConfigError,),
        share=0.5,
    ),
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_everything_is_read_or_refused(parser):
    run(parser)
