from __future__ import annotations

import contextlib
import struct

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParseError, SizeLimitError
from tocsin.model import STALE_NAN, Labels, MetricMetadata, MetricType, SampleBatch
from tocsin.receive import (
    WriteRequestDecoder,
    decode_write_request,
    encode_write_request,
    unsupported_reason,
)
from tocsin.receive import remote_write_messages as messages


def rows(batch):
    """The samples with their values bit for bit, in any order."""
    columns = zip(batch.series_index, batch.timestamps_ms.tolist(), batch.values, strict=True)
    return sorted(
        (str(batch.series[i]), timestamp_ms, struct.pack("<d", v)) for i, timestamp_ms, v in columns
    )


def request(*series, **fields):
    entries = [messages.TimeSeries(**entry).SerializeToString() for entry in series]
    message = messages.WriteRequest(timeseries=entries, **fields)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def entry(labels, *samples, **fields):
    return {
        "labels": [{"name": name, "value": value} for name, value in labels],
        "samples": [{"timestamp": timestamp_ms, "value": value} for timestamp_ms, value in samples],
        **fields,
    }


NAME = ("__name__", "a")

values = st.floats() | st.sampled_from([0.0, -0.0, STALE_NAN])
times = st.integers(1_600_000_000_000, 1_800_000_000_000) | st.integers(-(2**53), 2**53)
label_sets = st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=5), max_size=3).map(
    lambda labels: Labels({**labels, "__name__": "m"})
)
batches = st.lists(st.tuples(label_sets, times, values), max_size=8).map(SampleBatch.from_samples)


@given(st.lists(batches, max_size=3))
def test_round_trip_with_a_decoder_that_remembers(requests):
    decoder = WriteRequestDecoder()
    for batch in [*requests, *requests]:
        assert rows(decoder.decode(encode_write_request(batch)).batch) == rows(batch)


def test_known_series_of_every_shape_read_alike():
    labels = Labels({"__name__": "a", "x": "1"})
    now_ms = 1_700_000_000_000
    decoder = WriteRequestDecoder()
    decoder.decode(encode_write_request(SampleBatch.at(now_ms, {labels: 1.0})))
    for value in (2.5, 0.0, -0.0, float("inf"), STALE_NAN):
        for timestamp_ms in (now_ms, 0, 5, -5, 2**42, 2**53):
            batch = SampleBatch.at(timestamp_ms, {labels: value})
            assert rows(decoder.decode(encode_write_request(batch)).batch) == rows(batch)


def test_a_series_may_hold_many_samples_and_stand_twice():
    body = request(entry([NAME], (1, 1.0), (2, 2.0)), entry([NAME], (3, 3.0)))
    batch = decode_write_request(body).batch
    assert len(batch.series) == 1
    assert batch.timestamps_ms.tolist() == [1, 2, 3]
    assert batch.values.tolist() == [1.0, 2.0, 3.0]


def test_labels_in_any_order_and_empty_values():
    body = request(entry([("z", "1"), NAME, ("b", "")], (1, 1.0)))
    assert list(decode_write_request(body).batch.series) == [Labels({"__name__": "a", "z": "1"})]


def test_metadata():
    known = {"a": MetricMetadata(MetricType.COUNTER, "help", "s"), "b": MetricMetadata()}
    body = encode_write_request(SampleBatch.at(0, {}), known)
    assert decode_write_request(body).metadata == known
    later = request(metadata=[{"metric_family_name": "c", "type": 99}])
    assert decode_write_request(later).metadata == {"c": MetricMetadata()}


@pytest.mark.parametrize("timestamp_ms", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_times_that_cannot_be_stored(timestamp_ms):
    with pytest.raises(ParseError, match=f"the timestamp {timestamp_ms} ms is out of range"):
        decode_write_request(request(entry([NAME], (1, 1.0), (timestamp_ms, 1.0))))


def test_native_histograms_are_counted_and_dropped():
    decoder = WriteRequestDecoder()
    for _ in range(2):
        received = decoder.decode(request(entry([NAME], histograms=[b"", b""]), entry([NAME], (1, 1.0))))
        assert received.dropped == {"native_histogram": 2}
        assert len(received.batch) == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([("x", "1")], 'a series has no metric name: {x="1"}'),
        ([("__name__", "")], "a series has no metric name"),
        ([NAME, ("", "1")], "a series has a label without a name"),
        ([NAME, ("x", "1"), ("x", "2")], 'a series has the label "x" twice'),
    ],
)
def test_faulty_labels_refuse_the_request(labels, message):
    with pytest.raises(ParseError, match=message):
        decode_write_request(request(entry([NAME, ("ok", "1")], (1, 1.0)), entry(labels, (1, 1.0))))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not compressed with snappy"),
        (b"\x05hello", "not compressed with snappy"),
        (bytes(cramjam.snappy.compress_raw(b"hello")), "not a write request"),
        (bytes(cramjam.snappy.compress_raw(b"\x0a\x03\x0a\x05x")), "not a write request"),
    ],
)
def test_bodies_that_are_something_else(body, message):
    with pytest.raises(ParseError, match=message):
        decode_write_request(body)


def test_the_limit_is_checked_before_inflating():
    body = bytes(cramjam.snappy.compress_raw(bytes(1_000_000)))
    with pytest.raises(SizeLimitError, match="larger than the limit of 999999 bytes"):
        decode_write_request(body, max_bytes=999_999)
    claims_4_gib = b"\xff\xff\xff\xff\x0f" + body[3:]
    with pytest.raises(SizeLimitError):
        decode_write_request(claims_4_gib)


def test_zstd_is_read_alike_and_bounded():
    batch = SampleBatch.at(1_700_000_000_000, {Labels({"__name__": "a"}): 0.1})
    raw = bytes(cramjam.snappy.decompress_raw(encode_write_request(batch)))
    body = bytes(cramjam.zstd.compress(raw))
    assert rows(WriteRequestDecoder(len(raw)).decode(body, "zstd").batch) == rows(batch)
    with pytest.raises(SizeLimitError):
        WriteRequestDecoder(len(raw) - 1).decode(body, "zstd")
    for wrong in (b"", b"hello", body[:-3]):
        with pytest.raises(ParseError, match="not compressed with zstd"):
            WriteRequestDecoder().decode(wrong, "zstd")


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body, compressed):
    packed = bytes(cramjam.snappy.compress_raw(body)) if compressed else body
    with contextlib.suppress(ParseError):
        decode_write_request(packed)


@given(st.data())
def test_damaged_requests_raise_nothing_but_parse_errors(data):
    labels = [Labels({"__name__": "a", "x": str(i)}) for i in range(3)]
    batch = SampleBatch.at(1_700_000_000_000, dict.fromkeys(labels, 1.5))
    decoder = WriteRequestDecoder()
    decoder.decode(encode_write_request(batch))
    raw = bytearray(cramjam.snappy.decompress_raw(encode_write_request(batch)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(cramjam.snappy.compress_raw(bytes(raw)))
    outcomes = []
    for each in (decoder, WriteRequestDecoder()):
        try:
            outcomes.append(rows(each.decode(damaged).batch))
        except ParseError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1], "a decoder that remembers reads like one that does not"


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("tocsin.receive.remote_write.MAX_REMEMBERED", 10)
    decoder = WriteRequestDecoder()
    for number in range(30):
        labels = Labels({"__name__": "a", "x": str(number)})
        decoder.decode(encode_write_request(SampleBatch.at(1_700_000_000_000, {labels: 1.0})))
    assert len(decoder._series) <= 11
    assert len(decoder._row_of_prefix) <= 11


@pytest.mark.parametrize(
    ("content_type", "encoding", "message"),
    [
        ("application/x-protobuf", "snappy", None),
        ("", "", None),
        ("application/x-protobuf; proto=prometheus.WriteRequest", "Snappy", None),
        ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", None),
        ("application/x-protobuf", "zstd", None),
        ("application/x-protobuf;proto=prometheus.ReadRequest", "snappy", "allowed: prometheus.WriteRequest"),
        ("application/json", "snappy", 'the Content-Type "application/json" is not supported'),
        ("application/x-protobuf", "gzip", 'the Content-Encoding "gzip" is not supported'),
    ],
)
def test_what_can_be_read(content_type, encoding, message):
    reason = unsupported_reason(content_type, encoding)
    assert reason is None if message is None else message in reason


def test_values_survive_as_float64():
    batch = SampleBatch.at(1_700_000_000_000, {Labels({"__name__": "a"}): 0.1})
    assert decode_write_request(encode_write_request(batch)).batch.values.dtype == np.float64
