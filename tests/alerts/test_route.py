from __future__ import annotations

import json
from functools import cache

import pytest

from tests.support.cases import cases_dir
from tocsin.alerts import build_route
from tocsin.config import parse_source, read_source, validate
from tocsin.config.alertmanager import RouteConfig
from tocsin.model import Labels


def tree(text):
    return build_route(validate(RouteConfig, parse_source(text, "route.yml")))


TREE = """
receiver: all
group_by: [alertname]
group_wait: 0s
routes:
- matchers: [team=ml]
  receiver: ml
  group_by: ['...']
  continue: true
  routes:
  - match: {severity: critical}
    group_interval: 1m
- match_re: {team: "ml|web"}
  receiver: both
  group_by: []
"""


def test_what_is_left_out_comes_from_above():
    root = tree(TREE)
    ml, both = root.routes
    assert (root.group_wait_ms, root.group_interval_ms, root.repeat_interval_ms) == (0, 300_000, 14_400_000)
    assert (ml.group_by, both.group_by, ml.routes[0].group_by) == (None, root.group_by, None)
    assert (ml.routes[0].receiver, ml.routes[0].group_wait_ms, ml.routes[0].group_interval_ms) == (
        "ml",
        0,
        60_000,
    )


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        ({}, ["{}"]),
        ({"team": "web"}, ['{}/{team=~"^(?:ml|web)$"}']),
        ({"team": "ml"}, ['{}/{team="ml"}', '{}/{team=~"^(?:ml|web)$"}']),
        (
            {"team": "ml", "severity": "critical"},
            ['{}/{team="ml"}/{severity="critical"}', '{}/{team=~"^(?:ml|web)$"}'],
        ),
    ],
)
def test_the_deepest_nodes_take_an_alert(labels, keys):
    assert [route.key for route in tree(TREE).match(labels)] == keys


def test_time_intervals_are_not_taken_from_above():
    child = "{mute_time_intervals: [x], active_time_intervals: [y], routes: [{receiver: b}]}"
    (above,) = tree(f"receiver: a\nroutes: [{child}]").routes
    (below,) = above.routes
    assert (above.mute_time_intervals, above.active_time_intervals) == (("x",), ("y",))
    assert (below.mute_time_intervals, below.active_time_intervals) == ((), ())


def test_groups():
    root = tree(TREE)
    labels = Labels({"alertname": "A", "team": "ml"})
    assert root.group_labels(labels) == Labels({"alertname": "A"})
    assert root.routes[0].group_labels(labels) == labels
    assert root.routes[1].group_labels(labels) == root.group_labels(labels) == Labels({"alertname": "A"})


def outside_cases():
    return [
        case
        for case in json.loads((cases_dir("alertmanager") / "routes" / "cases.json").read_text())
        if "expected" in case
    ]


@cache
def outside_tree(name):
    return build_route(
        validate(RouteConfig, read_source(cases_dir("alertmanager") / "routes" / f"{name}.yml"))
    )


def test_outside_cases():
    cases = outside_cases()
    assert len(cases) == 12
    for case in cases:
        found = outside_tree(case["tree"]).match(case["labels"])
        assert [as_case(route) for route in found] == [with_defaults(wanted) for wanted in case["expected"]]
        assert [route.key for route in found] == case["keys"]


def as_case(route):
    return {
        "receiver": route.receiver,
        "group_by": sorted(route.group_by or ()),
        "group_by_all": route.group_by is None,
        "group_wait": route.group_wait_ms / 1000,
        "group_interval": route.group_interval_ms / 1000,
        "repeat_interval": route.repeat_interval_ms / 1000,
    }


def with_defaults(wanted):
    defaults = {"group_by": [], "group_wait": 30, "group_interval": 300, "repeat_interval": 14400}
    return {key: defaults[key] if value is None else value for key, value in wanted.items()}
