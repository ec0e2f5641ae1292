from __future__ import annotations

import pytest

from tocsin.config.relabel import RelabelConfig
from tocsin.config.scrape import ScrapeConfig, TargetGroup
from tocsin.model import Labels
from tocsin.scrape.target import make_targets


def make(*addresses, labels=None, **config):
    job = ScrapeConfig(job_name="j", **config).resolved(15_000, 10_000)
    return make_targets(job, [TargetGroup(targets=addresses, labels=labels or {})])


def rule(**keys):
    return {"relabel_configs": (RelabelConfig(**keys),)}


def test_defaults():
    (target,) = make("h:1", labels={"zone": "a", "__meta_x": "y"}).active
    assert target.labels == Labels({"job": "j", "instance": "h:1", "zone": "a"})
    assert target.url == "http://h:1/metrics"
    assert (target.interval_ms, target.timeout_ms) == (15_000, 10_000)
    assert dict(target.discovered) == {
        "__address__": "h:1",
        "__meta_x": "y",
        "__metrics_path__": "/metrics",
        "__scheme__": "http",
        "__scrape_interval__": "15s",
        "__scrape_timeout__": "10s",
        "job": "j",
        "zone": "a",
    }


@pytest.mark.parametrize(
    ("labels", "config", "url"),
    [
        ({}, {"scheme": "https", "metrics_path": "/m?x=1"}, "https://h:1/m?x=1"),
        ({}, {"params": {"b": ["1", "2"], "a": ["x y"]}}, "http://h:1/metrics?a=x+y&b=1&b=2"),
        ({"__param_b": "9"}, {"params": {"b": ["1", "2"]}}, "http://h:1/metrics?b=9&b=2"),
        ({"__metrics_path__": "p", "__scheme__": "https"}, {}, "https://h:1/p"),
    ],
)
def test_url(labels, config, url):
    (target,) = make("h:1", labels=labels, **config).active
    assert target.url == url


def test_labels_of_the_group_win_over_the_job():
    (target,) = make("h:1", labels={"job": "own", "instance": "nice"}).active
    assert target.labels == Labels({"job": "own", "instance": "nice"})


def test_the_black_box_pattern():
    rules = (
        RelabelConfig(source_labels=("__address__",), target_label="__param_target"),
        RelabelConfig(source_labels=("__param_target",), target_label="instance"),
        RelabelConfig(target_label="__address__", replacement="prober:9115"),
    )
    (target,) = make("shop:443", relabel_configs=rules).active
    assert target.url == "http://prober:9115/metrics?target=shop%3A443"
    assert target.labels["instance"] == "shop:443"


def test_dropped_targets_are_kept_to_be_shown():
    targets = make("a:1", "b:1", **rule(action="drop", source_labels=("__address__",), regex="a.*"))
    assert [labels["__address__"] for labels in targets.dropped] == ["a:1"]
    assert [target.url for target in targets.active] == ["http://b:1/metrics"]


def test_equal_targets_count_once():
    assert len(make("a:1", "a:1").active) == 1


def test_intervals_from_labels():
    (target,) = make("a:1", labels={"__scrape_interval__": "30s", "__scrape_timeout__": "20s"}).active
    assert (target.interval_ms, target.timeout_ms) == (30_000, 20_000)


@pytest.mark.parametrize(
    ("address", "labels", "config", "message"),
    [
        ("a:1", {"__scrape_interval__": "5s"}, {}, "its timeout is longer than its interval"),
        (
            "a:1",
            {"__scrape_interval__": "soon"},
            {},
            'its label __scrape_interval__ is not a duration: "soon"',
        ),
        ("a:1", {"__scrape_timeout__": "0s"}, {}, "__scrape_timeout__ is not above 0"),
        ("a:x", {}, {}, '"http://a:x/metrics" is no URL'),
        ("a:1", {"__scheme__": "ftp"}, {}, "is no HTTP URL"),
        ("a:1", {}, rule(target_label="__address__", replacement=""), "without an address"),
    ],
)
def test_a_target_that_cannot_be_is_left_out_with_a_reason(address, labels, config, message):
    targets = make(address, labels=labels, **config)
    assert targets.active == ()
    (problem,) = targets.problems
    assert message in problem
    assert f'the target "{address}" of the job "j" is left out' in problem
