"""What the evaluation of rules tells about itself."""

from __future__ import annotations

from tests.rules.helpers import START_MS, Scene, definitions
from tocsin.rules import RuleManager

RULES = """
groups:
  - name: g
    interval: 10s
    rules:
      - {record: b, expr: a}
      - {record: c, expr: a * on() a}
      - {alert: A, expr: a > 1}
"""


def told(scene):
    return {
        sample.name.removeprefix("tocsin_rule_"): sample.value
        for family in scene.registry.collect()
        for sample in family.samples
        if sample.labels.get("rule_group") == "g" and not sample.name.endswith("_created")
    }


async def test_a_group_tells_how_it_went_and_is_forgotten():
    scene = Scene()
    scene.store.put(START_MS, {'a{x="1"}': 1, 'a{x="2"}': 2})
    group = scene.group(RULES)
    group.surroundings.metrics.defined("g", group.interval_ms, len(group.rules))
    await group.evaluate(START_MS)
    group.surroundings.metrics.missed("g", 2)
    seen = told(scene)
    assert seen.pop("group_last_duration_seconds") > 0
    assert seen == {
        "evaluations_total": 3,
        "evaluation_failures_total": 1,
        "group_iterations_total": 3,
        "group_iterations_missed_total": 2,
        "group_last_evaluation_timestamp_seconds": START_MS / 1000,
        "group_last_evaluation_samples": 4,
        "group_interval_seconds": 10,
        "group_rules": 3,
    }
    group.surroundings.metrics.forget("g")
    assert told(scene) == {}


async def test_a_manager_forgets_the_groups_that_leave():
    scene = Scene()
    manager = RuleManager(scene.surroundings)
    manager.exchange(definitions(RULES))
    await manager.groups[0].evaluate(START_MS)
    assert told(scene)
    manager.exchange([])
    await manager._follow()
    assert told(scene) == {}
