from prometheus_client import CollectorRegistry, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.collect import family_metadata, family_name
from tocsin.collect.families import SeriesTable
from tocsin.model import Labels, MetricMetadata, MetricType


def gauge(name="depth", **values):
    family = GaugeMetricFamily(name, "How deep.", labels=["queue"])
    for queue, value in values.items():
        family.add_metric([queue], value)
    return family


def test_counters_are_named_as_their_samples():
    dcgm = Metric("DCGM_FI_DEV_ENERGY", "Energy.", "counter")
    dcgm.add_sample("DCGM_FI_DEV_ENERGY", {}, 1)
    assert family_name(dcgm) == "DCGM_FI_DEV_ENERGY"
    assert family_name(CounterMetricFamily("jobs", "Jobs.", value=1)) == "jobs_total"
    assert family_name(CounterMetricFamily("jobs_total", "Jobs.", labels=["a"])) == "jobs_total"
    assert family_name(gauge()) == "depth"


def test_family_names_are_those_of_the_text_format():
    registry = CollectorRegistry()
    Info("build", "Build.", registry=registry).info({"version": "1"})
    text = generate_latest(registry).decode()
    (family,) = registry.collect()
    assert f"# TYPE {family_name(family)} gauge" in text


def test_metadata():
    family = GaugeMetricFamily("wait_seconds", "How long.", unit="seconds", value=1)
    assert family_metadata([family]) == {
        "wait_seconds": MetricMetadata(MetricType.GAUGE, "How long.", "seconds")
    }


def test_job_and_instance_are_added_unless_they_are_there():
    family = GaugeMetricFamily("depth", "How deep.")
    family.add_sample("depth", {"job": "mine"}, 1)
    family.add_sample("depth", {"instance": "theirs"}, 2)
    assert SeriesTable(job="custom", instance="here").values([family]) == {
        Labels({"__name__": "depth", "job": "mine", "instance": "here"}): 1,
        Labels({"__name__": "depth", "job": "custom", "instance": "theirs"}): 2,
    }


def test_label_sets_are_kept_between_rounds_and_only_while_in_use():
    table = SeriesTable(job="custom", instance="here")
    first = list(table.values([gauge(a=1, b=2)]))
    second = list(table.values([gauge(a=3, b=4)]))
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True]
    table.values([gauge(a=5)])
    assert len(table._known) == 1
