"""Remote write 1.0 and 2.0, compressed with snappy or zstd."""

from __future__ import annotations

import random

import cramjam
import pytest

from tests.fuzz import wire
from tests.fuzz.running import COMPARED, Fuzzed, check_batch, run, samples
from tocsin.errors import ParseError
from tocsin.model import STALE_NAN
from tocsin.receive import ReceivedInPart, WriteRequestDecoder, WriteRequestV2Decoder
from tocsin.receive import remote_write_messages as v1
from tocsin.receive import remote_write_v2_messages as v2

NOW_MS = 1_700_000_000_000
MAX_INFLATED_BYTES = 1 << 18
DECODER_INPUTS = 2000
"""After so many inputs a decoder that remembers makes room for a new one."""


def series_v1(labels, *points, histograms=()):
    message = v1.TimeSeries(histograms=histograms)
    for name, value in labels.items():
        message.labels.add(name=name, value=value)
    for timestamp_ms, value in points:
        message.samples.add(timestamp=timestamp_ms, value=value)
    return message.SerializeToString()


def request_v1(*series, metadata=()):
    return v1.WriteRequest(timeseries=series, metadata=metadata).SerializeToString()


A, B = {"__name__": "a", "job": "x"}, {"__name__": "b", "le": "+Inf", "é": "💥"}
SEEDS_V1 = [
    b"",
    request_v1(series_v1(A, (NOW_MS, 1.5))),
    request_v1(series_v1(A, (NOW_MS, 0.0)), series_v1(B, (NOW_MS, float("nan")), (NOW_MS + 1, STALE_NAN))),
    request_v1(series_v1(A, (-5, 1.0)), series_v1(A, (2**53, 1.0)), series_v1({"__name__": "c"}, (0, 0.0))),
    request_v1(series_v1(A, histograms=[b"\x08\x01"]), series_v1(B, (NOW_MS, 1.0), histograms=[b""])),
    request_v1(
        series_v1(A, (NOW_MS, 1.0)),
        metadata=[v1.MetricMetadata(type=1, metric_family_name="a", help="Help.", unit="s")],
    ),
    request_v1(*(series_v1({"__name__": "many", "i": str(i)}, (NOW_MS, float(i))) for i in range(20))),
]

SYMBOLS = ["", "__name__", "a", "job", "x", "le", "+Inf", "Help.", "seconds", "b", "é", "💥"]


def series_v2(refs, *points, metadata=None, histograms=(), exemplars=()):
    message = v2.TimeSeries(labels_refs=refs, histograms=histograms, exemplars=exemplars)
    for timestamp_ms, value in points:
        message.samples.add(timestamp=timestamp_ms, value=value)
    if metadata is not None:
        message.metadata.MergeFrom(type(message.metadata)(**metadata))
    return message.SerializeToString()


def request_v2(*series, symbols=SYMBOLS):
    return v2.Request(symbols=symbols, timeseries=series).SerializeToString()


KNOWN = {"type": 1, "help_ref": 7, "unit_ref": 8}
SEEDS_V2 = [
    b"",
    request_v2(),
    request_v2(series_v2([1, 2, 3, 4], (NOW_MS, 1.5))),
    request_v2(series_v2([1, 2, 3, 4], (NOW_MS, 0.0), metadata=KNOWN)),
    request_v2(
        series_v2([1, 2, 3, 4], (NOW_MS, float("nan"))),
        series_v2([1, 9, 5, 6, 10, 11], (NOW_MS, 1.0), (NOW_MS + 1, STALE_NAN), metadata={"type": 3}),
        series_v2([1, 9, 5, 6], (2**53, 1.0), exemplars=[b"\x08\x01"]),
    ),
    request_v2(series_v2([1, 2], histograms=[b"\x08\x01"]), series_v2([1, 2, 3], (NOW_MS, 1.0))),
    request_v2(
        *(series_v2([1, 1 + i, 300, 2], (NOW_MS, float(i))) for i in range(1, 20)),
        symbols=["", "__name__", *(f"s{i}" for i in range(400))],
    ),
]


def compress(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def mutator(rng: random.Random, seeds) -> bytes:
    """One input in ten is compressed with zstd; the first byte tells."""
    if rng.random() < 0.9:
        return b"s" + mutate_snappy(rng, seeds)
    return b"z" + mutate_zstd(rng, seeds)


mutate_snappy = wire.wire_mutator(compress)
mutate_zstd = wire.wire_mutator(lambda body: bytes(cramjam.zstd.compress(body, 1)), damaged_share=0.3)


class BothWays:
    """Reads a request with a decoder that has read others before, and now and then with a new one."""

    def __init__(self, make) -> None:
        self._make = make
        self._known = make(MAX_INFLATED_BYTES)
        self._count = 0

    def take(self, data: bytes) -> None:
        self._count += 1
        if self._count % DECODER_INPUTS == 0:
            self._known = self._make(MAX_INFLATED_BYTES)
        encoding, body = {b"s": "snappy", b"z": "zstd"}[data[:1]], data[1:]
        found = self._outcome(self._known, body, encoding)
        if self._count % COMPARED == 0:
            assert found == self._outcome(self._make(MAX_INFLATED_BYTES), body, encoding)
        if isinstance(found, str):
            raise ParseError(found)

    def _outcome(self, decoder, body, encoding):
        try:
            received = decoder.decode(body, encoding)
        except ParseError as error:
            return str(error)
        check_batch(received.batch)
        assert len(received.batch) <= MAX_INFLATED_BYTES
        for family, known in received.metadata.items():
            f"{family}{known.help}{known.unit}".encode()
        fault = received.fault if isinstance(received, ReceivedInPart) else None
        return samples(received.batch), dict(received.dropped), fault


PARSERS = [
    Fuzzed("remote write 1.0", SEEDS_V1, mutator, BothWays(WriteRequestDecoder).take, (ParseError,)),
    Fuzzed("remote write 2.0", SEEDS_V2, mutator, BothWays(WriteRequestV2Decoder).take, (ParseError,)),
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_every_request_is_read_or_refused(parser):
    run(parser)


@pytest.mark.parametrize("seed", [*SEEDS_V1, *SEEDS_V2])
def test_a_message_taken_apart_is_put_together_again(seed):
    fields = wire.parse(seed)
    assert fields is not None
    assert wire.encode(fields) == seed
