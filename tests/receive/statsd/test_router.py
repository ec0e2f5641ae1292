from __future__ import annotations

import math

import pytest

from tests.receive.statsd.gathering import Gathering
from tocsin.model import MetricMetadata, MetricType


def test_counters_add_up():
    assert Gathering().take("a.b:1|c", "a.b:2.5|c|@0.5").flush() == {"a_b": 6}


def test_gauges_are_set_and_moved():
    gathering = Gathering().take("a:5|g", "a:+3|g", "a:-10|g")
    assert gathering.flush() == {"a": -2}
    assert gathering.take("a:1|g").flush() == {"a": 1}


def test_timers_become_summaries_in_seconds():
    gathering = Gathering().take(*(f"a:{n}|ms|#b:c" for n in range(1, 101)))
    assert gathering.flush() == {
        'a{b="c",quantile="0.5"}': 0.05,
        'a{b="c",quantile="0.9"}': 0.09,
        'a{b="c",quantile="0.99"}': 0.099,
        'a_sum{b="c"}': pytest.approx(5.05),
        'a_count{b="c"}': 100,
    }


def test_quantiles_slide_while_sum_and_count_stay():
    gathering = Gathering().take("a:1|h")
    gathering.flush(0)
    values = gathering.flush(3_600_000)
    assert math.isnan(values['a{quantile="0.5"}'])
    assert (values["a_sum"], values["a_count"]) == (1, 1)


def test_histograms():
    gathering = Gathering("defaults: {observer_type: histogram, buckets: [1, 2.5, 10]}")
    gathering.take("a:1|h", "a:2|d|@0.5", "a:3000|ms", "a:11|h")
    assert gathering.flush() == {
        'a_bucket{le="1"}': 1,
        'a_bucket{le="2.5"}': 3,
        'a_bucket{le="10"}': 4,
        'a_bucket{le="+Inf"}': 5,
        "a_sum": 19,
        "a_count": 5,
    }


MAPPING = """
defaults: {ttl: 1m}
mappings:
- match: web.*.requests
  name: requests_total
  help: Requests.
  labels: {site: $1}
- {match: quiet.*, name: quiet, action: drop}
- {match: honest.*, name: honest, labels: {site: $1}, honor_labels: true}
- {match: scaled.*, name: $1, scale: 0.001}
- {match: empty.*, name: $2}
- match: timed
  name: timed
  observer_type: histogram
  histogram_options: {buckets: [0.1]}
  ttl: 10s
"""


def test_a_mapping_gives_name_and_labels():
    gathering = Gathering(MAPPING).take("web.a.requests:1|c|#site:tag,x:y")
    assert gathering.flush() == {'requests_total{site="a",x="y"}': 1}
    assert gathering.registry.new_metadata() == {
        "requests_total": MetricMetadata(MetricType.COUNTER, "Requests.")
    }


def test_a_tag_is_honoured_where_a_mapping_says_so():
    values = Gathering(MAPPING).take("honest.a:1|c", "honest.a:1|c|#site:tag").flush()
    assert values == {'honest{site="a"}': 1, 'honest{site="tag"}': 1}


def test_a_scale_multiplies_every_type():
    values = Gathering(MAPPING).take("scaled.c:5|c", "scaled.g:5|g", "scaled.g:+1|g").flush()
    assert values == {"c": 0.005, "g": pytest.approx(0.006)}


def test_what_is_dropped_is_counted():
    gathering = Gathering(MAPPING).take(*["quiet.a:1|c"] * 3, "datadog.dogstatsd.client.metrics:1|c", "x:1|c")
    assert gathering.flush() == {"x": 1}
    assert gathering.tally["dropped", "mapping"] == 3
    assert gathering.tally["dropped", "client_metrics"] == 1
    assert gathering.tally["unmapped", ""] == 1


def test_metrics_of_clients_can_be_kept():
    gathering = Gathering(keep_client_metrics=True).take("datadog.dogstatsd.client.metrics:1|c")
    assert gathering.flush() == {"datadog_dogstatsd_client_metrics": 1}
    by_mapping = Gathering("mappings: [{match: datadog.dogstatsd.client.*, name: client, labels: {of: $1}}]")
    assert by_mapping.take("datadog.dogstatsd.client.metrics:1|c").flush() == {'client{of="metrics"}': 1}


def test_extra_labels_give_way():
    gathering = Gathering(MAPPING, extra_labels={"site": "here", "job": "fl"})
    values = gathering.take("a:1|c", "b:1|c|#site:b", "web.c.requests:1|c").flush()
    assert values == {
        'a{job="fl",site="here"}': 1,
        'b{job="fl",site="b"}': 1,
        'requests_total{job="fl",site="c"}': 1,
    }


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["a:-1|c"], "illegal_negative_counter"),
        (["a:1|c", "a:-1|c"], "illegal_negative_counter"),
        (["a:1|c", "a:1|g"], "conflicting_type"),
        (["a:1|c", "a:1|g|#x:y"], "conflicting_type"),
        (["a:1|g", "a:1|ms"], "conflicting_type"),
        (["a_sum:1|g", "a:1|ms"], "conflicting_type"),
        (["a:1|ms", "a_count:1|c"], "conflicting_type"),
        (["a:1|ms|#quantile:1"], "illegal_label"),
        (["a:1|c|#__name__:b"], "illegal_label"),
        (["a:inf|c"], "illegal_value"),
        (["a:nan|ms"], "illegal_value"),
        (["[a=b]:1|c"], "empty_metric_name"),
        (["empty.a:1|c"], "empty_metric_name"),
    ],
)
def test_refused_events_and_why(lines, reason):
    gathering = Gathering(MAPPING).take(*lines)
    before = Gathering(MAPPING).take(*lines[:-1]).flush()
    assert gathering.flush() == before
    assert gathering.errors() == {reason: 1}


def test_le_is_a_label_like_others_for_a_counter():
    assert Gathering().take("a:1|c|#le:x").flush() == {'a{le="x"}': 1}


def test_a_series_ends_when_its_ttl_is_over():
    gathering = Gathering(MAPPING).take("timed:1|h", "other:1|c")
    gathering.flush(0)
    assert len(gathering.flush(10_000)) == 5
    assert gathering.flush(10_001) == {
        "other": 1,
        'timed_bucket{le="0.1"}': "stale",
        'timed_bucket{le="+Inf"}': "stale",
        "timed_sum": "stale",
        "timed_count": "stale",
    }


def test_what_ended_is_said_until_it_is_stored_or_back():
    gathering = Gathering("defaults: {ttl: 1s}").take("a:5|c")
    gathering.flush(0)
    assert gathering.flush(2000) == {"a": "stale"}
    assert gathering.flush(3000) == {"a": "stale"}
    gathering.registry.confirm(gathering.registry.ended())
    assert gathering.flush(4000) == {}
    assert gathering.take("a:1|c").flush(5000) == {"a": 1}


def test_a_series_lives_on_while_events_come():
    gathering = Gathering("defaults: {ttl: 1s}")
    for second in range(5):
        assert gathering.take("a:1|c").flush(second * 1000) == {"a": second + 1}


def test_a_name_is_free_for_another_type_when_its_last_series_has_ended():
    gathering = Gathering("defaults: {ttl: 1s}").take("a:1|ms")
    gathering.flush(0)
    gathering.flush(2000)
    assert gathering.take("a:1|c").flush(2000)["a"] == 1
    assert gathering.errors() == {}


def test_the_number_of_series_is_bounded():
    gathering = Gathering(max_series=5).take("a:1|ms", "b:1|c", "a:2|ms")
    assert gathering.flush()["a_count"] == 2
    assert gathering.errors() == {"too_many_series": 1}


def test_another_mapping_counts_from_the_next_line_on():
    gathering = Gathering().take("a:1|c", "a:1|c")
    mapper = Gathering("mappings: [{match: a, name: b}]").router.mapper
    gathering.router.mapper = mapper
    gathering.intake.forget()
    assert gathering.take("a:1|c").flush() == {"a": 2, "b": 1}
