"""The same checks over every collector."""

import math
import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.collect import nvml
from tocsin.collect import COLLECTORS, CustomCollector, default_collectors, family_name
from tocsin.collect.registry import JOBS
from tocsin.sdk.collector import MetricsCollector

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
WRONG_UNITS = ("_ms", "_milliseconds", "_kb", "_percent", "_minutes")


class Queue(MetricsCollector):
    def __init__(self):
        self.jobs = 0

    async def collect(self):
        self.jobs += 1
        return {"queue_depth": 3, "queue_jobs_total": self.jobs}


def custom():
    return CustomCollector("tests:Queue", Queue())


@pytest.fixture(params=[*COLLECTORS, custom], ids=lambda make: make.__name__)
def collector(request):
    return request.param()


def samples(families):
    return {(s.name, tuple(s.labels.items())): s.value for f in families for s in f.samples}


def test_names_and_labels_are_valid(collector):
    for family in collector.collect():
        for sample in family.samples:
            assert METRIC_NAME.fullmatch(sample.name)
            assert all(LABEL_NAME.fullmatch(label) for label in sample.labels)
            assert all(isinstance(value, str) for value in sample.labels.values())


def test_every_family_has_help_and_is_given_once(collector):
    families = list(collector.collect())
    names = [family_name(family) for family in families]
    assert families
    assert len(set(names)) == len(names)
    assert all(family.documentation for family in families)


def test_counters_end_in_total_and_units_are_base_units(collector):
    for family in collector.collect():
        for sample in family.samples:
            if sample.name.startswith("DCGM_"):
                continue
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name
            assert not sample.name.removesuffix("_total").endswith(WRONG_UNITS)


def test_no_value_is_nan(collector):
    assert not any(math.isnan(value) for value in samples(collector.collect()).values())


def test_labels_are_the_same_within_a_family_and_no_series_comes_twice(collector):
    for family in collector.collect():
        assert len({frozenset(sample.labels) for sample in family.samples}) <= 1
        assert len({tuple(sample.labels.items()) for sample in family.samples}) == len(family.samples)


def test_counters_do_not_go_down(collector):
    first = list(collector.collect())
    counters = samples(family for family in first if family.type == "counter")
    after = samples(collector.collect())
    for series, value in counters.items():
        assert after.get(series, value) >= value, series


def test_the_same_series_come_again(collector):
    first, second = samples(collector.collect()), samples(collector.collect())
    assert len(first.keys() ^ second.keys()) <= 0.1 * len(first)


def test_it_can_stand_in_a_registry_of_prometheus_client(collector):
    registry = CollectorRegistry()
    registry.register(collector)
    assert generate_latest(registry)


def test_names_of_collectors_are_unique_and_have_a_job():
    names = [collector.name for collector in default_collectors()]
    assert len(set(names)) == len(names)
    assert set(names) <= set(JOBS)


def test_gpu_families_with_a_card_pass_the_same_checks(tmp_path):
    (found,) = nvml.collect(nvml.build(tmp_path), nvml.machine(nvml.CARD, {**nvml.CARD, "UUID": "GPU-2"}))
    labels_by_name = {}
    for name, kind, labels, value in found.samples:
        assert METRIC_NAME.fullmatch(name)
        assert kind in {"gauge", "counter"}
        assert not math.isnan(value)
        labels_by_name.setdefault(name, set()).add(frozenset(labels))
    assert all(len(kinds) == 1 for kinds in labels_by_name.values())
    series = [(name, *sorted(labels.items())) for name, _, labels, _ in found.samples]
    assert len(set(series)) == len(series)
