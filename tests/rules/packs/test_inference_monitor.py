"""The pack of inference alerts over what InferenceMonitor really says."""

from __future__ import annotations

import pytest

from tests.rules.helpers import START_MS
from tests.rules.packs.scenarios import SCENARIOS
from tests.rules.packs.world import World
from tests.sdk.inference.helpers import HandClock
from tocsin.model import METRIC_NAME, Labels
from tocsin.promql import Engine
from tocsin.rules import shipped_rules
from tocsin.sdk import InferenceMonitor

FILES = ("shipped/inference_servers.yml", "shipped/inference.yml")
STEP_S = 15
NORMAL = {"latency_s": 0.2, "errors": 0, "queue": 2, "wait_s": 0.02, "first_token_s": 0.1, "rate": 20}
PACK = [group for group in shipped_rules() if group.file == FILES[1]]
ALERTS = [rule.alert for group in PACK for rule in group.config.rules if rule.alert]


class Served:
    """A model server of so many requests a second, watched; ``trouble`` begins at ``since_s``."""

    def __init__(self, since_s=0.0, route=None, **trouble):
        assert set(trouble) <= set(NORMAL)
        self.clock = HandClock()
        self.monitor = InferenceMonitor("m", queue_capacity=10, monotonic_s=self.clock)
        self.since_s, self.route, self.trouble = since_s, route, trouble
        self.last_s = 0.0

    def __call__(self, at_s):
        state = {**NORMAL, **(self.trouble if at_s >= self.since_s else {})}
        for number in range(round(state["rate"] * (at_s - self.last_s))):
            self.monitor.record(
                state["latency_s"],
                first_token_s=state["first_token_s"],
                queue_wait_s=state["wait_s"],
                tokens=50,
                error=TimeoutError if number % 100 < state["errors"] * 100 else None,
                route=self.route,
            )
        self.monitor.queue(state["queue"])
        self.clock.passes(at_s - self.last_s)
        self.last_s = at_s
        common = {"job": "inference", "instance": "host", "model": "m", "worker": "0"}
        return {
            Labels({METRIC_NAME: name, **common, **dict(own)}): value
            for name, value, own in self.monitor._core._pushed(0)
        }


async def fired(duration_s=900, **server):
    world = World(*FILES)
    served = Served(**server)
    try:
        await world.run(served, duration_s, STEP_S)
    finally:
        served.monitor.close()
    return world


@pytest.mark.parametrize("name", ALERTS)
async def test_each_alert_fires_when_it_should(name):
    scenario = SCENARIOS[name]
    trouble = dict(scenario.trouble)
    world = await fired(1200, since_s=scenario.since_s, **trouble)
    assert name in world.fired
    allowed = {"InferenceSaturated": {"InferenceQueueLong"}}.get(name, set())
    assert set(world.fired) <= {name, *allowed}
    after_s = world.fired[name] - scenario.since_s
    assert scenario.hold_s <= after_s <= scenario.hold_s + scenario.slack_s + scenario.step_s
    texts = [text for alert in world.told if alert.name == name for text in alert.annotations.values()]
    assert not [text for text in texts if "<error" in text or "<no value>" in text]


@pytest.mark.parametrize("name", ["InferenceLatencyHigh", "InferenceErrorRateHigh"])
async def test_routes_are_judged_too(name):
    world = await fired(route="/v1/generate", since_s=300, **SCENARIOS[name].trouble)
    assert set(world.fired) == {name}
    assert {alert.labels["route"] for alert in world.told if alert.name == name} == {"/v1/generate"}


@pytest.mark.parametrize(
    "well",
    [
        {},
        {"rate": 1},
        # Just below each limit: buckets end there, so that nothing between is taken for more.
        {"latency_s": 1.9},
        {"first_token_s": 0.95, "latency_s": 1.5},
        {"wait_s": 0.9, "latency_s": 1.5},
        {"errors": 0.04},
        {"queue": 8},
        {"rate": 0, "queue": 0},
    ],
    ids=str,
)
async def test_nothing_fires_while_all_is_well(well):
    assert (await fired(1800, **well)).fired == {}


async def test_the_first_error_of_a_kind_is_in_the_rate():
    """A counter that came into the world as 1 would have increased by nothing."""
    world, served = World(*FILES), Served()

    def with_one_error(at_s):
        if at_s == 300:
            served.monitor.record(0.2, error="oom")
        return served(at_s)

    await world.run(with_one_error, 450, STEP_S)
    served.monitor.close()
    ((_, increase),) = (
        Engine(world.store).instant("increase(inference_errors_total[5m])", at_ms(450)).samples()
    )
    assert increase == pytest.approx(1, rel=0.2)


def at_ms(at_s):
    return START_MS + round(at_s * 1000)
