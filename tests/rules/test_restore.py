"""What happens to pending and firing alerts when the process starts anew."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.rules.helpers import START_MS, Scene
from tocsin.model import STALE_NAN

MINUTE_MS = 60_000
RULE = "groups: [{name: g, interval: 1m, rules: [{alert: A, expr: a > 1, for: %s}]}]"


async def after_restart(hold, before_min, down_min, *, marker=None):
    """Let an alert be active for a while, stop, start anew, evaluate twice; returns the alert."""
    scene = Scene()
    old = scene.group(RULE % hold)
    for minute in range(before_min + 1):
        at_ms = START_MS + minute * MINUTE_MS
        scene.store.put(at_ms, {"a": 2})
        await old.evaluate(at_ms)
    end_ms = START_MS + before_min * MINUTE_MS
    if marker is not None:
        scene.store.put(end_ms + 1, {'ALERTS_FOR_STATE{alertname="A"}': marker})
    new = scene.group(RULE % hold, is_after_restart=True)
    for minute in (0, 1):
        at_ms = end_ms + (down_min + minute) * MINUTE_MS
        scene.store.put(at_ms, {"a": 2})
        await new.evaluate(at_ms)
    await new.restore(at_ms)
    (alert,) = new.alerting_rules[0].active.values()
    return (alert.active_at_ms - START_MS) / MINUTE_MS, scene, new, at_ms


async def test_time_spent_pending_counts_and_the_interruption_does_not():
    active_at_min, *_ = await after_restart("60m", before_min=20, down_min=5)
    assert active_at_min == 5 + 1, "moved by the six minutes between the last sample and the restoring"


async def test_what_was_firing_fires_again_at_the_next_evaluation():
    active_at_min, scene, group, at_ms = await after_restart("10m", before_min=15, down_min=5)
    assert active_at_min == 0
    scene.store.put(at_ms + MINUTE_MS, {"a": 2})
    await group.evaluate(at_ms + MINUTE_MS)
    assert group.alerting_rules[0].state.value == "firing"


async def test_what_was_nearly_firing_waits_ten_minutes():
    active_at_min, _, _, at_ms = await after_restart("30m", before_min=25, down_min=5)
    assert active_at_min == (at_ms - START_MS) / MINUTE_MS + 10 - 30


@pytest.mark.parametrize(
    ("hold", "down_min", "marker"), [("5m", 2, None), ("60m", 90, None), ("60m", 5, STALE_NAN)]
)
async def test_short_holds_long_interruptions_and_ended_alerts_start_anew(hold, down_min, marker):
    active_at_min, *_ = await after_restart(hold, before_min=20, down_min=down_min, marker=marker)
    assert active_at_min == 20 + down_min


async def test_until_restored_the_old_state_is_not_overwritten():
    scene = Scene()
    group = scene.group(RULE % "30m", is_after_restart=True)
    scene.store.put(START_MS, {"a": 2})
    await group.evaluate(START_MS)
    assert scene.values("ALERTS_FOR_STATE", START_MS) == {}
    await group.restore(START_MS)
    await group.evaluate(START_MS + MINUTE_MS)
    assert scene.values("ALERTS_FOR_STATE", START_MS + MINUTE_MS) == {
        'ALERTS_FOR_STATE{alertname="A"}': START_MS / 1000
    }


async def test_a_running_group_restores_after_two_evaluations():
    scene = Scene()
    scene.store.put(START_MS, {"a": 2})
    # In one thread of its own, so that the manual clock needs to wait for nothing else.
    with ThreadPoolExecutor(1) as executor:
        scene.surroundings = replace(scene.surroundings, executor=executor)
        group = scene.group(RULE % "30m", is_after_restart=True)
        task = asyncio.create_task(group.run())
        for _ in range(100):
            await scene.clock.advance(10)
            await asyncio.sleep(0.005)
            if group.alerting_rules[0].is_restored:
                break
        assert group.alerting_rules[0].is_restored
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
