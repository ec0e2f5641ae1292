from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.rules.helpers import START_MS, MemoryStore, Scene, definitions
from tests.support.clock import settle
from tocsin.errors import StorageError
from tocsin.model import STALE_NAN, Labels, Matcher
from tocsin.rules.rule import Health, stages

CHAIN = """
groups:
  - name: chain
    rules:
      - {record: b, expr: a * 2}
      - {record: c, expr: b + 1}
      - {alert: High, expr: c > 2, annotations: {summary: "{{ query `c` | first | value }}"}}
      - {record: d, expr: count(ALERTS)}
"""


async def test_each_rule_sees_what_those_before_it_wrote():
    scene = Scene()
    scene.store.put(START_MS, {"a": 1})
    await scene.group(CHAIN).evaluate(START_MS)
    assert scene.values('{__name__=~"b|c|d"}', START_MS) == {"b": 2.0, "c": 3.0, "d": 1.0}
    assert scene.told[0].annotations == {"summary": "3"}


def test_rules_that_do_not_read_each_other_share_a_stage():
    (group,) = definitions(
        """
groups:
  - name: g
    rules:
      - {record: b, expr: a}
      - {record: c, expr: a}
      - {record: d, expr: b + c}
      - {alert: A, expr: a > 1}
      - {alert: B, expr: d > 1}
      - {record: e, expr: '{job="x"}'}
"""
    )
    assert [[rule.name for rule in stage] for stage in stages(group.rules())] == [
        ["b", "c"],
        ["d", "A"],
        ["B"],
        ["e"],
    ]


async def test_a_series_that_vanishes_is_marked_as_ended():
    scene = Scene()
    group = scene.group("groups: [{name: g, rules: [{record: b, expr: a}]}]")
    scene.store.put(START_MS, {'a{x="1"}': 1, 'a{x="2"}': 2})
    await group.evaluate(START_MS)
    scene.store.put(START_MS + 1000, {'a{x="1"}': STALE_NAN, 'a{x="2"}': 1})
    await group.evaluate(START_MS + 1000)
    assert scene.values("b", START_MS + 1000) == {'b{x="2"}': 1.0}


async def test_alert_series_end_with_the_alert():
    scene = Scene()
    group = scene.group("groups: [{name: g, rules: [{alert: A, expr: a > 1}]}]")
    scene.store.put(START_MS, {"a": 2})
    await group.evaluate(START_MS)
    name = 'ALERTS{alertname="A",alertstate="firing"}'
    assert scene.values("ALERTS", START_MS) == {name: 1.0}
    assert scene.values("ALERTS_FOR_STATE", START_MS) == {'ALERTS_FOR_STATE{alertname="A"}': START_MS // 1000}
    scene.store.put(START_MS + 1000, {"a": 1})
    await group.evaluate(START_MS + 1000)
    assert scene.values("ALERTS or ALERTS_FOR_STATE", START_MS + 1000) == {}


async def test_a_failing_rule_stops_no_other_and_says_why(caplog):
    scene = Scene()
    scene.store.put(START_MS, {'a{x="1"}': 1, 'a{x="2"}': 2})
    group = scene.group(
        """
groups:
  - name: g
    rules:
      - {record: b, expr: a * on() a}
      - {record: c, expr: a, labels: {x: same}}
      - {record: d, expr: sum(a)}
"""
    )
    await group.evaluate(START_MS)
    assert [rule.status.health for rule in group.rules] == [Health.ERROR, Health.ERROR, Health.OK]
    assert "same labelset" in group.rules[1].status.last_error
    assert scene.values("d", START_MS) == {"d": 3.0}
    assert scene.registry.get_sample_value("tocsin_rule_evaluation_failures_total", {"rule_group": "g"}) == 2
    assert scene.registry.get_sample_value("tocsin_rule_evaluations_total", {"rule_group": "g"}) == 3
    warnings = len(caplog.records)
    await group.evaluate(START_MS + 1000)
    assert len(caplog.records) == warnings, "the same failure is told once"


async def test_an_unexpected_error_is_kept_to_its_rule(caplog):
    scene = Scene()
    answer = scene.surroundings.query
    scene.store.put(START_MS, {"a": 1})

    def query(expression, at_ms):
        if expression == "a + 1":
            raise ZeroDivisionError("oops")
        return answer(expression, at_ms)

    scene.surroundings = replace(scene.surroundings, query=query)
    group = scene.group("groups: [{name: g, rules: [{record: b, expr: a + 1}, {record: c, expr: a}]}]")
    await group.evaluate(START_MS)
    assert group.rules[0].status.last_error == "unexpected ZeroDivisionError: oops"
    assert scene.values("c", START_MS) == {"c": 1.0}
    assert "Traceback" in caplog.text


async def test_a_store_that_cannot_write_is_the_error_of_the_rules(caplog):
    scene = Scene()
    scene.store.put(START_MS, {"a": 2})
    scene.surroundings = replace(scene.surroundings, storage=FullStore())
    group = scene.group("groups: [{name: g, rules: [{record: b, expr: a}, {alert: A, expr: a > 1}]}]")
    await group.evaluate(START_MS)
    assert [rule.status.last_error for rule in group.rules] == ["no space left"] * 2
    assert [alert.name for alert in scene.told] == ["A"], "an alert is told all the same"
    await group.evaluate(START_MS + 1000)
    assert [record.message for record in caplog.records] == ['group "g": no space left'], "said once"
    group.surroundings = scene.surroundings = replace(scene.surroundings, storage=scene.store)
    await group.evaluate(START_MS + 2000)
    assert [rule.status.last_error for rule in group.rules] == ["", ""]


class FullStore(MemoryStore):
    async def append(self, batch):
        raise StorageError("no space left")


async def test_alerts_carry_external_labels_and_a_link():
    scene = Scene(external_labels=Labels({"site": "x", "job": "outer"}), external_url="http://host")
    scene.store.put(START_MS, {'a{job="inner"}': 2})
    await scene.group("groups: [{name: g, rules: [{alert: A, expr: a > 1}]}]").evaluate(START_MS)
    (alert,) = scene.told
    assert alert.labels == Labels({"alertname": "A", "job": "inner", "site": "x"})
    assert alert.generator_url == "http://host/graph?g0.expr=a+%3E+1&g0.tab=1"


async def test_samples_carry_the_time_of_their_data():
    scene = Scene()
    scene.store.put(START_MS, {"a": 1})
    group = scene.group("groups: [{name: g, query_offset: 30s, rules: [{record: b, expr: a}]}]")
    await group.evaluate(START_MS + 30_000)
    (block,) = scene.store.select([Matcher.metric("b")], 0, START_MS + 60_000)
    assert block.timestamps_ms.ravel().tolist() == [START_MS]


def test_groups_are_spread_over_the_interval_and_keep_their_slots():
    scene = Scene()
    offsets = set()
    for name in "abcdef":
        group = scene.group(f"groups: [{{name: {name}, interval: 10s}}]")
        slot = group.slot_after(START_MS)
        assert START_MS < slot <= START_MS + 10_000
        assert group.slot_after(slot) == slot + 10_000
        offsets.add(slot % 10_000)
    assert len(offsets) > 3


async def test_it_runs_at_its_slots_and_leaves_out_missed_ones():
    scene = Scene()
    group = scene.group("groups: [{name: g, interval: 10s, rules: []}]")
    times = []
    evaluate = group.evaluate

    async def late(at_ms):
        times.append(at_ms)
        await evaluate(at_ms)
        if len(times) == 2:
            await scene.clock.sleep(25)

    group.evaluate = late
    task = asyncio.create_task(group.run())
    await settle()
    await scene.clock.advance(80)
    task.cancel()
    first = group.slot_after(START_MS)
    steps = [(time - first) // 1000 for time in times]
    assert steps[:5] == [0, 10, 30, 40, 50]
    missed = scene.registry.get_sample_value("tocsin_rule_group_iterations_missed_total", {"rule_group": "g"})
    assert missed == 1
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_changed_group_keeps_the_state_of_its_rules_and_ends_other_series():
    scene = Scene()
    old = scene.group(
        """
groups:
  - name: g
    rules:
      - {alert: A, expr: a > 1, for: 1m}
      - {record: gone, expr: a}
"""
    )
    scene.store.put(START_MS, {"a": 2})
    await old.evaluate(START_MS)
    new = scene.group("groups: [{name: g, interval: 5s, rules: [{alert: A, expr: a > 1, for: 1m}]}]")
    new.adopt(old)
    await new.evaluate(START_MS + 60_000)
    assert [alert.fired_at_ms for alert in new.alerting_rules[0].active.values()] == [START_MS + 60_000]
    assert scene.values("gone", START_MS + 60_000) == {}


async def test_a_group_that_leaves_ends_its_series():
    scene = Scene()
    group = scene.group("groups: [{name: g, rules: [{record: b, expr: a}]}]")
    scene.store.put(START_MS, {"a": 2})
    await group.evaluate(START_MS)
    await scene.clock.advance(1)
    await group.abandon()
    assert scene.values("b", START_MS + 1000) == {}
