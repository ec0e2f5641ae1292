"""Text formats: of scrapes, imports and pushes."""

from __future__ import annotations

import gzip
import json
import random

import cramjam
import pytest

from tests.fuzz.mutations import mutated, text_mutator
from tests.fuzz.running import COMPARED, Fuzzed, check_batch, check_labels, run, samples
from tests.support.cases import CASES
from tocsin.errors import ParseError
from tocsin.receive import decode_push, decode_text_import
from tocsin.scrape import ExpositionParser, OpenMetricsFormat, TextFormat, check_openmetrics
from tocsin.scrape.exposition import Format

NOW_MS = 1_700_000_000_000
MAX_INFLATED_BYTES = 1 << 20
MAX_SEED_BYTES = 4000

TEXTS = [
    b'# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{code="200"} 1027\n',
    b"a 1\nb -2.5e-3\nc NaN\nd +Inf\ne -Inf\n",
    b'a{x="1",y="b c\\\\d\\"e\\nf",} 1 1700000000000\na{x="2"} 2 -5\n',
    b'# TYPE h histogram\nh_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.5\nh_count 2\n',
    b'# TYPE s summary\ns{quantile="0.5"} 0.1\ns_sum 3\ns_count 4\n# HELP s A\\\\ b\\nc\n',
    b'{"gpu.power",host="a","unit of"="W"} 250 1000\n# HELP "gpu.power" Power.\n',
    b'  a \t{ x = "1" , y="2" }\t3  4 \n\n# just a comment\n#no\n',
    b"",
]
TEXT_WORDS = (
    b"# HELP |# TYPE |# EOF|# UNIT |counter|gauge|histogram|summary|untyped|unknown|info|stateset|"
    b'gaugehistogram|{|}|{}|,|=|"|\\"|\\\\|\\n| |\t|#|a|le|quantile|__name__|_total|_bucket|_created|_info|'
    b'le="+Inf"|x="1"|{"a b"}| # {x="1"} 1 1|\x00'
).split(b"|")

OPENMETRICS = [
    b"# EOF\n",
    b'# TYPE a counter\n# HELP a Help.\na_total{x="1"} 17 123.456 # {trace="b"} 1 2\na_created 1\n# EOF\n',
    b'# TYPE h histogram\nh_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.5\nh_count 2\n# EOF\n',
    b"# TYPE b_seconds gauge\n# UNIT b_seconds seconds\nb_seconds 1 -3.5\nb_seconds 2 1e3\n# EOF\n",
    b'# TYPE c gaugehistogram\nc_bucket{le="-1.0"} 1\nc_bucket{le="+Inf"} 3\nc_gsum -5\nc_gcount 3\n# EOF',
    b'# TYPE d stateset\nd{d="on"} 1\nd{d="off"} 0\n# TYPE e info\ne_info{v="1"} 1\n# EOF\n',
    b'# TYPE f summary\nf{quantile="0.9"} 1\nf_sum 1\nf_count 2\n# TYPE g unknown\ng 1\n# EOF\n',
    b'{"gpu.power","unit of"="W"} 250 1000.5\n# EOF\n',
]


def outside_texts(suffix: str) -> list[bytes]:
    """The beginnings of real expositions, where they are there."""
    return [file.read_bytes()[:MAX_SEED_BYTES] for file in sorted(CASES.glob(f"textformat/*{suffix}"))]


def outside_openmetrics() -> list[bytes]:
    file = CASES / "openmetrics" / "cases.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line)["text"].encode() for line in lines]


class BothWays:
    """Reads a text with a parser that has read all others before, and now and then with a new one."""

    def __init__(self, text_format: Format) -> None:
        self._format = text_format
        self._parser = ExpositionParser(text_format)
        self._count = 0

    def take(self, body: bytes) -> None:
        self._count += 1
        found = _outcome(self._parser, body)
        if self._count % COMPARED == 0:
            assert found == _outcome(ExpositionParser(self._format), body)
        if isinstance(found, str):
            raise ParseError(found)


def _outcome(parser: ExpositionParser, body: bytes) -> object:
    try:
        exposition = parser.parse(body)
    except ParseError as error:
        return str(error)
    batch = exposition.batch(NOW_MS)
    check_batch(batch)
    assert exposition.scraped_count <= len(body)
    return samples(batch), exposition.metadata


def compressed(mutate, encodings):
    """Inputs whose first byte says how they are compressed; some of them are damaged afterwards."""

    def change(rng: random.Random, seeds):
        which = rng.randrange(len(encodings))
        body = encodings[which][1](mutate(rng, seeds))
        if which and rng.random() < 0.3:
            body = mutated(rng, body, [body], (b"\x1f\x8b", b"\x00" * 9))
        return bytes((which,)) + body

    return change


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


def _snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress(body))


IMPORT_ENCODINGS = (("", bytes), ("gzip", _gzip))
PUSH_ENCODINGS = (("", bytes), ("gzip", _gzip), ("snappy", _snappy))


def take_import(data: bytes) -> None:
    encoding, body = IMPORT_ENCODINGS[data[0]][0], data[1:]
    received = decode_text_import(
        body, encoding, NOW_MS, extra_labels=["site=a=b"], max_bytes=MAX_INFLATED_BYTES
    )
    check_batch(received.batch)
    assert all(labels["site"] == "a=b" for labels in received.batch.series)
    if not encoding:
        assert len(received.batch) <= len(body)


def take_push(data: bytes) -> None:
    encoding, body = PUSH_ENCODINGS[data[0]][0], data[1:]
    is_openmetrics = body.rstrip().endswith(b"# EOF")
    media_type = OpenMetricsFormat.media_type if is_openmetrics else "text/plain"
    grouping = {"job": "a", "le": "x"}
    push = decode_push(body, media_type, encoding, grouping, max_bytes=MAX_INFLATED_BYTES)
    for family in push.families.values():
        for labels, value in family.items():
            check_labels(labels)
            assert isinstance(value, float)
            assert grouping.items() <= dict(labels.pairs).items()


def untimed(texts):
    return [text for text in texts if b"1700000000000" not in text and b"1000\n" not in text]


ALL_TEXTS = TEXTS + outside_texts(".prom.txt")
ALL_OPENMETRICS = OPENMETRICS + outside_openmetrics() + outside_texts(".om.txt")
mutate_text = text_mutator(TEXT_WORDS)


def mutate_openmetrics(rng: random.Random, seeds) -> bytes:
    """A text whose end is mostly right, as nothing else of it is read otherwise."""
    text = mutate_text(rng, seeds)
    return text if rng.random() < 0.1 else text.partition(b"# EOF")[0] + b"# EOF\n"


PARSERS = [
    Fuzzed("Prometheus text", ALL_TEXTS, mutate_text, BothWays(TextFormat()).take, (ParseError,)),
    Fuzzed(
        "OpenMetrics", ALL_OPENMETRICS, mutate_openmetrics, BothWays(OpenMetricsFormat()).take, (ParseError,)
    ),
    Fuzzed("OpenMetrics check", ALL_OPENMETRICS, mutate_openmetrics, check_openmetrics, (ParseError,)),
    Fuzzed("text import", TEXTS, compressed(mutate_text, IMPORT_ENCODINGS), take_import, (ParseError,)),
    Fuzzed(
        "pushed text",
        untimed(TEXTS + OPENMETRICS),
        compressed(mutate_text, PUSH_ENCODINGS),
        take_push,
        (ParseError,),
    ),
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_every_text_is_read_or_refused(parser):
    run(parser)
