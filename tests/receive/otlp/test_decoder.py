from __future__ import annotations

import math

import numpy as np
import pytest

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
    samples,
)
from tests.support.cases import cases_dir
from tocsin.model import MetricMetadata, MetricType, is_stale
from tocsin.receive.otlp import OtlpDecoder, OtlpSettings, Signal, TranslationStrategy

SECOND_NS = 1_000_000_000


def test_the_example_of_the_protocol():
    body = (cases_dir("otlp") / "metrics.json").read_bytes()
    received = OtlpDecoder().decode_metrics(body, "application/json", "", NOW_MS)
    names = [series.metric_name for series in received.batch.series]
    assert sorted(set(names)) == [
        "my_counter_total",
        "my_gauge_ratio",
        "my_histogram_bucket",
        "my_histogram_count",
        "my_histogram_sum",
    ]
    assert set(received.batch.timestamps_ms.tolist()) == {1544712660300}
    assert received.dropped == {"native_histogram": 1}
    assert received.rejected_count == 1
    assert received.metadata["my_histogram"] == MetricMetadata(MetricType.HISTOGRAM, "I am a Histogram")


@pytest.mark.parametrize(
    ("name", "signal", "dropped"),
    [
        ("logs", Signal.LOGS, {"log_record": 1}),
        ("events", Signal.LOGS, {"log_record": 1}),
        ("trace", Signal.TRACES, {"span": 1}),
    ],
)
def test_logs_and_traces_are_counted(name, signal, dropped):
    body = (cases_dir("otlp") / f"{name}.json").read_bytes()
    received = OtlpDecoder().count_records(signal, body, "application/json", "")
    assert (len(received.batch), received.dropped, received.rejected_count) == (0, dropped, 1)
    assert "not stored: 1 (allowed: metrics)" in received.fault


def test_nothing_in_a_request_is_nothing_wrong():
    assert OtlpDecoder().count_records(Signal.LOGS, b"", PROTOBUF, "").fault is None
    received = OtlpDecoder().decode_metrics(b"", PROTOBUF, "", NOW_MS)
    assert (len(received.batch), received.fault, received.dropped) == (0, None, {})


def test_resource_and_scope_become_labels():
    resource = {
        "service.namespace": "shop",
        "service.name": "cart",
        "service.instance.id": "i1",
        "host.name": "h",
    }
    scope = {"name": "lib", "version": "2", "attributes": attributes({"a.b": "c"})}
    request = export(gauge("a", number(1.0, job="mine", x="y")), resource=resource, scope=scope)
    request.resource_metrics[0].scope_metrics[0].schema_url = "u"
    identity = 'instance="i1",job="shop/cart"'
    of_scope = 'otel_scope_a_b="c",otel_scope_name="lib",otel_scope_schema_url="u",otel_scope_version="2"'
    assert samples(decode(request).batch) == {
        f'a{{{identity},{of_scope},x="y"}}': 1.0,
        f'target_info{{host_name="h",{identity}}}': 1.0,
    }
    plain = decode(request, OtlpDecoder(OtlpSettings(promote_scope_metadata=False)))
    assert f'a{{{identity},x="y"}}' in samples(plain.batch)


@pytest.mark.parametrize(
    "resource",
    [{}, {"host.name": "h"}, {"service.name": "s", "service.instance.id": "i"}, {"service.name": ""}],
)
def test_resources_that_say_too_little_have_no_target_info(resource):
    received = decode(export(gauge("a", number(1.0)), resource=resource))
    assert [series.metric_name for series in received.batch.series] == ["a"]
    assert set(received.metadata) == {"a"}


def test_target_info_reaches_over_the_times_of_all_data_points():
    points = [number(1.0, time_ns=NOW_NS + offset * SECOND_NS) for offset in (301, 0, 10)]
    received = decode(export(gauge("a", *points), resource={"service.name": "s", "x": "1"}))
    batch = received.batch
    row = next(i for i, series in enumerate(batch.series) if series.metric_name == "target_info")
    times_ms = batch.timestamps_ms[batch.series_index == row] - NOW_MS
    assert times_ms.tolist() == [0, 150_000, 300_000, 301_000]
    assert received.metadata["target_info"] == MetricMetadata(MetricType.GAUGE, "Target metadata")


def test_target_info_over_half_a_millennium_stays_small():
    points = [number(1.0, time_ns=1), number(1.0, time_ns=2**64 - 1)]
    assert len(decode(export(gauge("a", *points), resource={"service.name": "s", "x": "1"})).batch) == 1004


def test_attributes_of_resources_that_are_promoted():
    resource = {"service.name": "s", "cloud.region": "r", "host.name": "h", "a": "resource"}
    request = export(gauge("a", number(1.0, a="point")), resource=resource)
    some = OtlpSettings(promote_resource_attributes=("cloud.region", "a"))
    assert 'a{a="point",cloud_region="r",job="s"}' in samples(decode(request, OtlpDecoder(some)).batch)
    most = OtlpSettings(
        promote_all_resource_attributes=True, ignore_resource_attributes=("host.name", "service.name")
    )
    assert 'a{a="point",cloud_region="r",job="s"}' in samples(decode(request, OtlpDecoder(most)).batch)
    keeping = OtlpSettings(keep_identifying_resource_attributes=True, namespace="ns")
    assert 'ns_target_info{a="resource",cloud_region="r",host_name="h",job="s",service_name="s"}' in samples(
        decode(request, OtlpDecoder(keeping)).batch
    )


def test_names_may_stay_as_they_are():
    settings = OtlpSettings(translation_strategy=TranslationStrategy.NO_TRANSLATION)
    received = decode(export(counter("a.b", number(1.0, **{"c.d": "e"}), unit="s")), OtlpDecoder(settings))
    assert samples(received.batch) == {'a.b{c.d="e"}': 1.0}
    assert received.metadata == {"a.b": MetricMetadata(MetricType.COUNTER, "", "seconds")}


def test_attributes_whose_names_become_the_same_are_joined():
    point = number(1.0, **{"a.b": "2", "a_b": "3", "a-b": "1", "__name__": "no"})
    assert samples(decode(export(gauge("m", point))).batch) == {'m{a_b="1;2;3"}': 1.0}


def test_types_and_units_are_metadata():
    received = decode(
        export(
            gauge("g", number(1.0), unit="By", description="help"),
            counter("c", number(1.0), unit="s"),
            counter("n", number(1.0), is_monotonic=False),
            histogram("h", buckets([1], [])),
            {"name": "s", "summary": {"data_points": [{"count": 1}]}},
            gauge("empty"),
        )
    )
    assert received.metadata == {
        "g_bytes": MetricMetadata(MetricType.GAUGE, "help", "bytes"),
        "c_seconds_total": MetricMetadata(MetricType.COUNTER, "", "seconds"),
        "n": MetricMetadata(MetricType.GAUGE),
        "h": MetricMetadata(MetricType.HISTOGRAM),
        "s": MetricMetadata(MetricType.SUMMARY),
    }


def test_classic_histograms():
    batch = decode(export(histogram("h", buckets([1, 2, 3], [0.005, 10.0], total=7.0)))).batch
    assert samples(batch) == {
        'h_bucket{le="0.005"}': 1.0,
        'h_bucket{le="10"}': 3.0,
        'h_bucket{le="+Inf"}': 6.0,
        "h_count": 6.0,
        "h_sum": 7.0,
    }


def test_a_histogram_without_sum_and_with_an_infinite_bound():
    batch = decode(export(histogram("h", buckets([1, 2], [1.0, math.inf])))).batch
    assert samples(batch) == {'h_bucket{le="1"}': 1.0, 'h_bucket{le="+Inf"}': 3.0, "h_count": 3.0}


def test_summaries():
    point = {
        "count": 4,
        "sum": 8.0,
        "quantile_values": [{"quantile": 0.5, "value": 2.0}, {"quantile": 1.0, "value": math.nan}],
        "attributes": attributes({"x": "1"}),
    }
    found = samples(decode(export({"name": "s", "summary": {"data_points": [point]}})).batch)
    assert math.isnan(found.pop('s{quantile="1",x="1"}'))
    assert found == {'s{quantile="0.5",x="1"}': 2.0, 's_count{x="1"}': 4.0, 's_sum{x="1"}': 8.0}


def test_no_recorded_value_is_a_staleness_marker():
    request = export(
        gauge("g", number(flags=1), number(3.0, flags=1, x="1")),
        histogram("h", buckets([1, 2], [1.0], total=1.0, flags=1)),
        {"name": "s", "summary": {"data_points": [{"flags": 1, "quantile_values": [{"quantile": 0.5}]}]}},
    )
    values = decode(request).batch.values
    assert len(values) == 2 + 4 + 3
    assert all(is_stale(value) for value in values)


def test_a_value_may_be_nan_without_being_stale():
    (value,) = decode(export(gauge("g", number(math.nan)))).batch.values
    assert math.isnan(value)
    assert not is_stale(value)


def test_a_data_point_without_a_time_is_of_now():
    assert decode(export(gauge("g", number(1.0, time_ns=0)))).batch.timestamps_ms.tolist() == [NOW_MS]


def test_integers_and_exemplars():
    point = {"as_int": 7, "time_unix_nano": NOW_NS, "exemplars": [{"as_double": 1.0, "trace_id": b"x"}]}
    assert samples(decode(export(gauge("g", point))).batch) == {"g": 7.0}


def test_deltas_become_cumulative():
    decoder = OtlpDecoder()
    for step, (value, inside) in enumerate([(2.0, [1, 0]), (3.0, [1, 1]), (0.0, [0, 0])], start=1):
        time_ns = NOW_NS + step * SECOND_NS
        request = export(
            counter("c", number(value, time_ns=time_ns), temporality=DELTA),
            histogram("h", buckets(inside, [1.0], total=value, time_ns=time_ns), temporality=DELTA),
        )
        for _ in range(2):
            found = samples(decode(request, decoder).batch)
    assert found == {
        "c_total": 5.0,
        "h_sum": 5.0,
        "h_count": 3.0,
        'h_bucket{le="1"}': 2.0,
        'h_bucket{le="+Inf"}': 3.0,
    }


def test_deltas_out_of_order_and_after_an_end():
    decoder = OtlpDecoder()
    decode(export(counter("c", number(2.0), temporality=DELTA)), decoder)
    late = decode(export(counter("c", number(2.0, time_ns=NOW_NS - 1), temporality=DELTA)), decoder)
    assert (len(late.batch), late.dropped, late.rejected_count) == (0, {"out_of_order": 1}, 1)
    assert late.metadata == {}
    ended = decode(export(counter("c", number(flags=1, time_ns=NOW_NS + 1), temporality=DELTA)), decoder)
    assert is_stale(ended.batch.values[0])
    again = decode(export(counter("c", number(1.0, time_ns=NOW_NS + 2), temporality=DELTA)), decoder)
    assert samples(again.batch) == {"c_total": 1.0}


def test_deltas_without_a_time_always_count():
    decoder = OtlpDecoder()
    for step in range(3):
        request = export(counter("c", number(1.0, time_ns=0), temporality=DELTA))
        found = samples(decode(request, decoder, NOW_MS + step).batch)
    assert found == {"c_total": 3.0}


@pytest.mark.parametrize(
    ("metric", "reason", "count", "message"),
    [
        (
            counter("a", number(1.0), number(2.0), temporality=0),
            "temporality",
            2,
            '"a" is neither cumulative',
        ),
        (histogram("a", buckets([1], []), temporality=7), "temporality", 1, '"a" is neither cumulative'),
        (gauge("@", number(1.0)), "invalid", 1, 'normalization for metric "@" resulted in empty name'),
        (gauge("a", number()), "invalid", 1, 'in "a" a data point has no value'),
        (gauge("a", number(1.0, **{"#": "x"})), "invalid", 1, 'the attribute "#" cannot become a label'),
        ({"name": "a"}, None, 0, '"a" holds data of no known type'),
        (
            {"name": "a", "exponential_histogram": {"data_points": [{}, {}]}},
            "native_histogram",
            2,
            '"a" is an exponential histogram',
        ),
    ],
)
def test_what_cannot_be_stored_is_counted_and_the_rest_is_stored(metric, reason, count, message):
    received = decode(export(metric, gauge("ok", number(1.0))))
    assert samples(received.batch) == {"ok": 1.0}
    assert received.dropped == ({reason: count} if reason else {})
    assert received.rejected_count == count
    assert message in received.fault


def test_a_scope_that_cannot_be_named_is_rejected_with_all_its_data_points():
    settings = OtlpSettings(promote_resource_attributes=("#",))
    request = export(gauge("a", number(1.0), number(2.0)), resource={"service.name": "s", "#": "x"})
    received = decode(request, OtlpDecoder(settings))
    assert (len(received.batch), received.rejected_count) == (0, 2)
    assert 'in a resource or scope normalization for label name "#"' in received.fault
    assert "a resource has no target_info because" in received.fault


def test_long_names_do_not_make_long_answers():
    received = decode(export(gauge("a", number(1.0, **{"#" * 100_000: "x"}))))
    assert len(received.fault) < 500


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("tocsin.receive.otlp.decoder.MAX_REMEMBERED_BYTES", 10_000)
    decoder = OtlpDecoder()
    for step in range(50):
        decode(export(gauge("a", number(1.0, x=str(step)))), decoder)
        assert decoder._translation.book.size_bytes < 15_000
    permuted = [number(1.0, **dict(pairs)) for pairs in ((("a", "1"), ("b", "2")), (("b", "2"), ("a", "1")))]
    assert len(decode(export(gauge("a", *permuted)), decoder).batch.series) == 1


def test_the_batch_holds_arrays_of_the_right_types():
    batch = decode(export(gauge("a", number(1.0)))).batch
    assert (batch.series_index.dtype, batch.timestamps_ms.dtype, batch.values.dtype) == (
        np.int64,
        np.int64,
        np.float64,
    )
