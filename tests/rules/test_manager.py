from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.rules.helpers import Scene, definitions, write
from tocsin.errors import ConfigError
from tocsin.model import Labels, SystemClock
from tocsin.promql import parse_selector
from tocsin.rules import RuleGroup, RuleManager, describe_alerts, describe_groups, query_by
from tocsin.rules.api import Page
from tocsin.rules.errors import RuleError

ONE = """
groups:
  - name: one
    interval: 100ms
    rules: [{alert: A, expr: vector(2) > 1}, {record: b, expr: vector(1)}]
"""
TWO = "groups: [{name: two, interval: 100ms, rules: [{record: c, expr: vector(1)}]}]"


class Running:
    """A manager on the machine's clock."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.clock = SystemClock()
        self.manager = RuleManager(replace(self.scene.surroundings, clock=self.clock))

    async def __aenter__(self):
        self.task = asyncio.create_task(self.manager.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def value(self, name):
        return list(self.scene.values(name, self.clock.now_ms()).values())


async def eventually(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.02)


async def test_groups_run_and_are_exchanged_while_they_run(tmp_path):
    one, two = write(tmp_path / "one.yml", ONE), write(tmp_path / "two.yml", TWO)
    async with Running() as running:
        running.manager.load([one])
        await eventually(lambda: running.value("b") == [1.0] and running.scene.told)
        kept = running.manager.groups[0]
        running.manager.load([one, two])
        await eventually(lambda: running.value("c") == [1.0])
        assert running.manager.groups[0] is kept
        running.manager.load([two])
        await eventually(lambda: running.value("b") == [] and running.value("ALERTS") == [])
        assert [group.name for group in running.manager.groups] == ["two"]


async def test_a_changed_file_keeps_alerts(tmp_path):
    file = write(tmp_path / "one.yml", ONE)
    async with Running() as running:
        running.manager.load([file])
        await eventually(lambda: running.scene.told)
        (before,) = running.manager.groups[0].alerting_rules[0].active.values()
        write(file, ONE.replace("record: b", "record: bb"))
        running.manager.load([file])
        await eventually(lambda: running.value("bb") == [1.0])
        (after,) = running.manager.groups[0].alerting_rules[0].active.values()
        assert (after.active_at_ms, after.fired_at_ms) == (before.active_at_ms, before.fired_at_ms)
        assert len(running.scene.told) == 1


async def test_a_wrong_file_changes_nothing(tmp_path):
    scene = Scene()
    manager = RuleManager(scene.surroundings)
    good, bad = write(tmp_path / "good.yml", ONE), write(tmp_path / "bad.yml", "groups: 5")
    manager.load([good])
    with pytest.raises(ConfigError, match="must be a list"):
        manager.load([good, bad])
    with pytest.raises(ConfigError, match="named twice"):
        manager.load([good, good])
    assert [group.name for group in manager.groups] == ["one"]


async def test_an_error_of_our_own_does_not_pass_unseen(tmp_path):
    async with Running() as running:
        running.manager.load([write(tmp_path / "one.yml", ONE)])

        async def broken(_at_ms):
            raise ZeroDivisionError

        running.manager.groups[0].evaluate = broken
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(running.task, 10)


def test_only_vectors_and_scalars_are_results():
    scene = Scene()
    query = query_by(scene.engine)
    assert query("1 + 1", 0) == [(Labels(), 2.0)]
    with pytest.raises(RuleError, match="not a vector or scalar"):
        query('"text"', 0)


GROUP = """
groups:
  - name: g
    interval: 15s
    limit: 3
    rules:
      - {record: b, expr: a, labels: {x: y}}
      - alert: A
        expr: a > 1
        for: 1m
        keep_firing_for: 2m
        labels: {s: low}
        annotations: {t: "{{ $value }}"}
      - {record: c, expr: a * on() a}
"""


async def test_the_api_has_prometheus_form():
    scene = Scene()
    now_ms = scene.clock.now_ms()
    scene.store.put(now_ms, {'a{i="1"}': 85.25, 'a{i="2"}': 1})
    group = scene.group(GROUP)
    await group.evaluate(now_ms)
    alert = {
        "labels": {"alertname": "A", "i": "1", "s": "low"},
        "annotations": {"t": "85.25"},
        "state": "pending",
        "activeAt": "2023-11-14T22:13:20Z",
        "value": "8.525e+01",
    }
    assert describe_alerts([group]) == {"alerts": [alert]}
    (described,) = describe_groups([group])["groups"]
    recording, alerting, failing = described.pop("rules")
    assert described.pop("evaluationTime") > 0
    assert described == {
        "name": "g",
        "file": "test.yml",
        "interval": 15.0,
        "limit": 3,
        "lastEvaluation": "2023-11-14T22:13:20Z",
    }
    assert recording.pop("evaluationTime") > 0
    assert recording == {
        "name": "b",
        "query": "a",
        "labels": {"x": "y"},
        "health": "ok",
        "lastEvaluation": "2023-11-14T22:13:20Z",
        "type": "recording",
    }
    assert alerting.pop("evaluationTime") > 0
    assert alerting == {
        "state": "pending",
        "name": "A",
        "query": "a > 1",
        "duration": 60.0,
        "keepFiringFor": 120.0,
        "labels": {"s": "low"},
        "annotations": {"t": "{{ $value }}"},
        "alerts": [alert],
        "health": "ok",
        "lastEvaluation": "2023-11-14T22:13:20Z",
        "type": "alerting",
    }
    assert (failing["health"], bool(failing["lastError"])) == ("err", True)


async def test_the_api_can_be_narrowed():
    scene = Scene()
    group = scene.group(GROUP)

    def names(**options):
        return [rule["name"] for g in describe_groups([group], **options)["groups"] for rule in g["rules"]]

    assert names() == ["b", "A", "c"]
    assert names(kind="alert") == ["A"]
    assert names(kind="record", rule_names=["c", "A"]) == ["c"]
    assert names(group_names=["other"]) == []
    assert names(files=["test.yml"]) == ["b", "A", "c"]
    assert describe_groups([group], rule_names=["none"]) == {"groups": []}


def test_equal_definitions_are_equal():
    assert definitions(ONE) == definitions(ONE) != definitions(TWO)


PAGES = """
groups:
  - name: a
    labels: {team: x}
    rules: [{alert: A, expr: up, labels: {severity: low}}, {record: r, expr: up}]
  - {name: b, rules: [{alert: B, expr: up, labels: {severity: high, team: y}}]}
  - {name: c, rules: [{record: s, expr: up, labels: {team: x}}]}
  - {name: d, rules: []}
"""


def names_of(described):
    return [(group["name"], [rule["name"] for rule in group["rules"]]) for group in described["groups"]]


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (['{team="x"}'], [("a", ["A", "r"]), ("c", ["s"])]),
        (['{severity=~"l.*"}', '{team="y"}'], [("a", ["A"]), ("b", ["B"])]),
        (['{team="x",severity!="low"}'], [("a", ["r"]), ("c", ["s"])]),
        (['{team="z"}'], []),
    ],
)
def test_rules_by_their_labels(selectors, expected):
    scene = Scene()
    groups = [RuleGroup(definition, scene.surroundings) for definition in definitions(PAGES)]
    assert (
        names_of(describe_groups(groups, selectors=[parse_selector(text) for text in selectors])) == expected
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("filters", [{}, {"kind": "alert"}, {"group_names": ["b", "d"]}])
def test_pages_together_are_the_whole(limit, filters):
    scene = Scene()
    groups = [RuleGroup(definition, scene.surroundings) for definition in definitions(PAGES)]
    whole = describe_groups(groups, **filters)
    assert "groupNextToken" not in whole
    found, token = [], ""
    for _ in range(5):
        described = describe_groups(groups, **filters, page=Page(limit, token))
        assert 0 < len(described["groups"]) <= limit
        found += described["groups"]
        token = described.get("groupNextToken")
        if token is None:
            break
    assert found == whole["groups"]


def test_a_page_after_a_group_that_is_gone_is_an_error():
    scene = Scene()
    groups = [RuleGroup(definition, scene.surroundings) for definition in definitions(PAGES)]
    token = describe_groups(groups, page=Page(1))["groupNextToken"]
    with pytest.raises(ValueError, match="names no group"):
        describe_groups([group for group in groups if group.name != "b"], page=Page(1, token))
