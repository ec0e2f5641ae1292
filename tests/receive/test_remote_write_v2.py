from __future__ import annotations

import contextlib
import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParseError, SizeLimitError
from tocsin.model import STALE_NAN, Labels, MetricMetadata, MetricType
from tocsin.receive import WriteRequestV2Decoder, message_name
from tocsin.receive import remote_write_v2_messages as messages

NOW_MS = 1_700_000_000_000
NAME = ("__name__", "a")


class Table:
    """A table of symbols that grows as texts are asked for."""

    def __init__(self, *first: str) -> None:
        self.texts = ["", *first]

    def refs(self, *texts: str) -> list[int]:
        self.texts += [text for text in dict.fromkeys(texts) if text not in self.texts]
        return [self.texts.index(text) for text in texts]


def entry(table, pairs, *samples, kind=0, help_text="", unit="", **fields):
    help_ref, unit_ref = table.refs(help_text, unit)
    return {
        "labels_refs": table.refs(*(text for pair in pairs for text in pair)),
        "samples": [{"timestamp": timestamp_ms, "value": value} for timestamp_ms, value in samples],
        "metadata": {"type": kind, "help_ref": help_ref, "unit_ref": unit_ref},
        **fields,
    }


def pack(table, *entries, tail=b""):
    raw = [messages.TimeSeries(**each).SerializeToString() + tail for each in entries]
    return snappy(messages.Request(symbols=table.texts, timeseries=raw).SerializeToString())


def snappy(raw):
    return bytes(cramjam.snappy.compress_raw(raw))


def request(*series, filler=()):
    """A request of series given as (pairs, samples...)."""
    table = Table(*filler)
    return pack(table, *(entry(table, pairs, *samples) for pairs, *samples in series))


def rows(batch):
    """The samples with their values bit for bit, in any order."""
    columns = zip(batch.series_index, batch.timestamps_ms.tolist(), batch.values, strict=True)
    return sorted(
        (str(batch.series[i]), timestamp_ms, struct.pack("<d", v)) for i, timestamp_ms, v in columns
    )


def plainly(series):
    """The slow and obvious way to say what a request holds."""
    return sorted(
        (str(Labels(pairs)), timestamp_ms, struct.pack("<d", value))
        for pairs, *samples in series
        for timestamp_ms, value in samples
    )


values = st.floats() | st.sampled_from([0.0, -0.0, STALE_NAN])
times = st.integers(1_600_000_000_000, 1_800_000_000_000) | st.integers(-(2**53), 2**53)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
label_sets = st.dictionaries(texts, texts, max_size=3).map(
    lambda labels: sorted({**labels, "__name__": "m"}.items())
)
series = st.lists(
    st.tuples(label_sets, st.lists(st.tuples(times, values), min_size=1, max_size=2)).map(
        lambda pair: (pair[0], *pair[1])
    ),
    max_size=6,
)


@given(st.lists(st.tuples(series, st.sampled_from([0, 1, 130, 20_000])), max_size=3))
def test_a_decoder_that_remembers_reads_what_was_written(requests):
    decoder = WriteRequestV2Decoder()
    for each, size in [*requests, *reversed(requests)]:
        filler = [f"filler {number}" for number in range(size)]
        received = decoder.decode(request(*each, filler=filler))
        assert received.fault is None
        assert rows(received.batch) == plainly(each)


def test_known_series_of_every_shape_read_alike():
    decoder = WriteRequestV2Decoder()
    decoder.decode(request(([NAME, ("x", "1")], (NOW_MS, 1.0))))
    for value in (2.5, 0.0, -0.0, float("inf"), STALE_NAN):
        for timestamp_ms in (NOW_MS, 0, 5, -5, 2**42, 2**53):
            each = ([NAME, ("x", "1")], (timestamp_ms, value))
            assert rows(decoder.decode(request(each)).batch) == plainly([each])


def test_more_series_than_are_read_at_once(monkeypatch):
    monkeypatch.setattr("tocsin.receive.remote_write_v2._SERIES_AT_ONCE", 4)
    decoder = WriteRequestV2Decoder()
    each = [([NAME, ("x", str(number))], (NOW_MS, float(number))) for number in range(11)]
    for _ in range(2):
        assert rows(decoder.decode(request(*each)).batch) == plainly(each)


def test_times_of_creation_are_passed_over():
    decoder = WriteRequestV2Decoder()
    created = b"\x30\x80\xd0\x95\xff\xbc\x31"
    for value in (1.0, 2.0):
        table = Table()
        received = decoder.decode(pack(table, entry(table, [NAME], (NOW_MS, value)), tail=created))
        assert received.fault is None
        assert received.batch.values.tolist() == [value]


def test_metadata_is_given_when_it_changes():
    decoder = WriteRequestV2Decoder()

    def read(kind, help_text):
        table = Table("filler", help_text)
        names = ("h_bucket", "h_sum", "g")
        return decoder.decode(
            pack(
                table,
                *(
                    entry(
                        table, [("__name__", name)], (NOW_MS, 1.0), kind=kind, help_text=help_text, unit="s"
                    )
                    for name in names
                ),
            )
        ).metadata

    histogram = MetricMetadata(MetricType.HISTOGRAM, "help", "s")
    assert read(3, "help") == {"h": histogram, "g": histogram}
    assert read(3, "help") == {}
    gauge = MetricMetadata(MetricType.GAUGE, "other", "s")
    assert read(2, "other") == {"h_bucket": gauge, "h_sum": gauge, "g": gauge}
    assert read(99, "other")["g"] == MetricMetadata(MetricType.UNKNOWN, "other", "s")


@pytest.mark.parametrize("decoder_knows", [False, True])
@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([("x", "1")], 'has no metric name: {x="1"}'),
        ([("__name__", "")], "has no metric name"),
        ([], "has no metric name"),
        ([("", "1"), NAME], "has a label without a name"),
        ([NAME, ("x", "1"), ("x", "2")], 'has the label "x" twice'),
        ([NAME, ("y", "1"), ("x", "2")], 'has its labels out of order, "x" after "y"'),
    ],
)
def test_a_faulty_series_is_refused_and_the_others_are_stored(decoder_knows, pairs, sentence):
    decoder = WriteRequestV2Decoder()
    good = ([NAME, ("ok", "1")], (NOW_MS, 1.0))
    if decoder_knows:
        decoder.decode(request(good))
    received = decoder.decode(request((pairs, (NOW_MS, 1.0), (NOW_MS + 1, 1.0)), good))
    assert received.fault is not None
    assert received.fault.startswith(f"1 of 2 series are refused, the first {sentence}")
    assert received.fault.endswith("all other samples are stored")
    assert received.dropped == {"invalid": 2}
    assert rows(received.batch) == plainly([good])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"labels_refs": [1, 2, 3]}, "has 3 references to labels"),
        ({"labels_refs": [1, 99]}, "refers to the symbol 99, and the last one is 3"),
        ({"labels_refs": [1, 2**32 - 1]}, "refers to the symbol 4294967295"),
        ({"labels_refs": [1, 2], "metadata": {"help_ref": 4}}, "refers to the symbol 4"),
        ({"labels_refs": [1, 2], "samples": []}, "has neither samples nor histograms: a"),
        (
            {"labels_refs": [1, 2], "samples": [{"timestamp": 2**53 + 1}]},
            "has a sample of which the timestamp 9007199254740993 ms is out of range",
        ),
    ],
)
def test_references_and_samples_that_cannot_be(fields, sentence):
    table = Table("__name__", "a", "x")
    decoder = WriteRequestV2Decoder()
    good = entry(table, [NAME], (NOW_MS, 1.0))
    decoder.decode(pack(table, good))
    received = decoder.decode(pack(table, {"samples": [{"timestamp": NOW_MS}], **fields}, good))
    assert sentence in (received.fault or "")
    assert received.batch.series == [Labels([NAME])]
    assert received.batch.values.tolist() == [1.0]


def test_native_histograms_are_a_fault_and_exemplars_are_not():
    decoder = WriteRequestV2Decoder()
    for _ in range(2):
        table = Table()
        plain = entry(table, [NAME], (NOW_MS, 1.0), exemplars=[b"", b"", b""])
        received = decoder.decode(pack(table, plain))
        assert (received.fault, received.dropped) == (None, {"exemplar": 3})
        native = entry(table, [("__name__", "h")], histograms=[b"", b""])
        received = decoder.decode(pack(table, native, plain))
        assert received.dropped == {"native_histogram": 2, "exemplar": 3}
        assert "2 native histograms are dropped" in (received.fault or "")
        assert received.batch.values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not compressed with snappy"),
        (snappy(b"hello"), "not a request of remote write 2.0"),
        (snappy(b"\x2a\x03\x0a\x05x"), "not a request of remote write 2.0"),
        (snappy(messages.Request(symbols=["a"]).SerializeToString()), 'the first symbol is "a"'),
    ],
)
def test_bodies_that_are_something_else(body, message):
    with pytest.raises(ParseError, match=message):
        WriteRequestV2Decoder().decode(body)


def test_an_empty_request():
    received = WriteRequestV2Decoder().decode(snappy(b""))
    assert len(received.batch) == 0
    assert received.fault is None


def test_zstd_and_the_limit():
    raw = bytes(cramjam.snappy.decompress_raw(request(([NAME], (NOW_MS, 1.0)))))
    body = bytes(cramjam.zstd.compress(raw))
    assert len(WriteRequestV2Decoder(len(raw)).decode(body, "zstd").batch) == 1
    with pytest.raises(SizeLimitError):
        WriteRequestV2Decoder(len(raw) - 1).decode(body, "zstd")


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("tocsin.receive.remote_write_v2.MAX_REMEMBERED", 10)
    decoder = WriteRequestV2Decoder()
    for number in range(40):
        table = Table()
        decoder.decode(
            pack(
                table, entry(table, [NAME, ("x", str(number))], (NOW_MS, 1.0), help_text=str(number), kind=1)
            )
        )
    assert len(decoder._series) <= 12
    assert len(decoder._metadata) <= 12


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(raw):
    with contextlib.suppress(ParseError):
        WriteRequestV2Decoder().decode(snappy(raw))


@given(st.data())
def test_damaged_requests_read_alike_with_and_without_memory(data):
    table = Table()
    series = [
        entry(table, [NAME, ("x", str(i))], (NOW_MS, 1.5), kind=1, help_text="h", unit="s") for i in range(3)
    ]
    body = pack(table, *series)
    remembering = WriteRequestV2Decoder()
    remembering.decode(body)
    raw = bytearray(cramjam.snappy.decompress_raw(body))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    outcomes = []
    for decoder in (remembering, WriteRequestV2Decoder()):
        try:
            received = decoder.decode(snappy(bytes(raw)))
            outcomes.append((rows(received.batch), received.fault, received.dropped))
        except ParseError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_the_message_that_a_content_type_names():
    assert message_name("application/x-protobuf") == "prometheus.WriteRequest"
    assert (
        message_name('application/x-protobuf; PROTO="io.prometheus.write.v2.Request"')
        == "io.prometheus.write.v2.Request"
    )
