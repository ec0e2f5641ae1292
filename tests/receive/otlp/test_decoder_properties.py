from __future__ import annotations

import contextlib
import json

from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from tests.receive.otlp.exports import (
    DELTA,
    NOW_MS,
    NOW_NS,
    PROTOBUF,
    attributes,
    buckets,
    counter,
    decode,
    export,
    gauge,
    histogram,
    number,
    rows,
    slowly,
)
from tocsin.errors import ParseError
from tocsin.receive.otlp import OtlpDecoder

SECOND_NS = 1_000_000_000

names = st.sampled_from(["a", "a.b", "a_b", "1", "_x", "job", "le", "service.name", "host"])
texts = st.sampled_from(["", "1", "x;y", "é"])
values = st.floats()
points = st.fixed_dictionaries(
    {
        "value": values,
        "time_ns": st.sampled_from([0, NOW_NS, NOW_NS + 1, NOW_NS + SECOND_NS]),
        "flags": st.sampled_from([0, 0, 0, 1, 2]),
        "labels": st.dictionaries(names, texts, max_size=3),
    }
).map(lambda each: number(each["value"], time_ns=each["time_ns"], flags=each["flags"], **each["labels"]))
distributions = st.builds(
    lambda counts, total, labels, flags: buckets(
        counts, [0.5, 1.0, 2.5][: max(len(counts) - 1, 0)], total=total, flags=flags, **labels
    ),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=4),
    st.none() | values,
    st.dictionaries(names, texts, max_size=2),
    st.sampled_from([0, 0, 1]),
)
summaries = st.builds(
    lambda count, total, quantiles, labels: {
        "time_unix_nano": NOW_NS,
        "count": count,
        "sum": total,
        "quantile_values": [{"quantile": each, "value": value} for each, value in quantiles.items()],
        "attributes": attributes(labels),
    },
    st.integers(0, 100),
    values,
    st.dictionaries(st.sampled_from([0.5, 0.9, 1.0]), values, max_size=3),
    st.dictionaries(names, texts, max_size=2),
)
metric_names = st.sampled_from(["m", "m.n", "m_n"])
units = st.sampled_from(["", "1", "s", "By/s"])
metrics = st.one_of(
    st.builds(
        lambda name, data, unit: gauge(name, *data, unit=unit),
        metric_names,
        st.lists(points, max_size=3),
        units,
    ),
    st.builds(
        lambda name, data, unit, up: counter(name, *data, unit=unit, is_monotonic=up),
        metric_names,
        st.lists(points, max_size=3),
        units,
        st.booleans(),
    ),
    st.builds(lambda name, data: histogram(name, *data), metric_names, st.lists(distributions, max_size=2)),
    st.builds(
        lambda name, data: {"name": name, "summary": {"data_points": data}},
        metric_names,
        st.lists(summaries, max_size=2),
    ),
)
resources = st.dictionaries(
    st.sampled_from(["service.name", "service.namespace", "service.instance.id"]), texts, max_size=3
)
scopes = st.sampled_from([{}, {"version": "1"}, {"name": "lib"}, {"name": "lib", "version": "1"}])
requests = st.builds(
    lambda resource, scope, content: export(*content, resource=resource, scope=scope),
    resources,
    scopes,
    st.lists(metrics, max_size=4),
)


@given(st.lists(requests, max_size=3))
def test_a_decoder_that_remembers_reads_what_is_read_slowly(exports):
    decoder = OtlpDecoder()
    for request in [*exports, *exports]:
        expected = slowly(request)
        received = decode(request, decoder)
        assert received.fault is None
        assert rows(received.batch) == expected
        body = json_format.MessageToJson(request).encode()
        in_json = decoder.decode_metrics(body, "application/json", "", NOW_MS)
        # JSON knows one NaN only.
        assert [row[:2] for row in rows(in_json.batch)] == [row[:2] for row in expected]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_parse_errors(body):
    for content_type in (PROTOBUF, "application/json"):
        with contextlib.suppress(ParseError):
            OtlpDecoder().decode_metrics(body, content_type, "", NOW_MS)


@given(requests, st.data())
def test_damaged_requests_raise_nothing_but_parse_errors(request, data):
    raw = bytearray(request.SerializeToString() or b"\x00")
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    decoder, outcomes = OtlpDecoder(), []
    for each in (decoder, decoder, OtlpDecoder()):
        try:
            received = each.decode_metrics(bytes(raw), PROTOBUF, "", NOW_MS)
            outcomes.append(sorted(str(series) for series in received.batch.series))
        except ParseError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[2]


@given(st.data())
def test_damaged_json_raises_nothing_but_parse_errors(data):
    metric = counter("a", number(1.0, x="1"), temporality=DELTA)
    text = json_format.MessageToJson(export(metric, histogram("h", buckets([1, 2], [1.0]))), indent=None)
    document = json.loads(text)
    node = document
    while isinstance(node, dict | list) and node:
        holder = node
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node = holder[key]
        if data.draw(st.booleans()):
            break
    holder[key] = data.draw(st.none() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({}))
    with contextlib.suppress(ParseError):
        OtlpDecoder().decode_metrics(json.dumps(document).encode(), "application/json", "", NOW_MS)
