"""The model servers of others come under our names, and the pack of inference alerts serves them all."""

from __future__ import annotations

import pytest

from tests.rules.helpers import START_MS
from tests.rules.packs.model_servers import MILLISECONDS, SERVERS
from tests.rules.packs.world import World
from tocsin.promql import Engine
from tocsin.rules import shipped_rules

FILES = ("shipped/inference_servers.yml", "shipped/inference.yml")

pytestmark = pytest.mark.parametrize("make", SERVERS, ids=lambda make: make.name)


async def seen(make, duration_s=900, **trouble):
    world = World(*FILES)
    await world.run(make(300, **trouble), duration_s, 15)
    return world


def value_of(world, query):
    """The only value of a query at the end."""
    ((_, value),) = Engine(world.store).instant(query, START_MS + 900_000).samples()
    return value


async def test_nothing_fires_while_all_is_well(make):
    world = await seen(make, 1800)
    assert world.fired == {}


async def test_slow_answers(make):
    world = await seen(make, latency_s=4.0)
    assert set(world.fired) == {"InferenceLatencyHigh"}
    (alert, *_) = [alert for alert in world.told if alert.name == "InferenceLatencyHigh"]
    assert alert.labels["server"] == make.name
    assert "take 4s or" in alert.annotations["summary"] or "4.9" in alert.annotations["summary"]


async def test_errors(make):
    world = await seen(make, errors=0.2)
    assert set(world.fired) == {"InferenceErrorRateHigh"}
    (alert, *_) = [alert for alert in world.told if alert.name == "InferenceErrorRateHigh"]
    assert alert.annotations["summary"].startswith("20% of the requests")


async def test_what_waits_and_is_not_answered(make):
    world = await seen(make, rate=0, queue=7)
    knows_queue = make.name != "torchserve"
    assert ("InferenceStalled" in world.fired) == knows_queue
    if knows_queue:
        assert value_of(world, "inference_queue_length") == 7


async def test_requests_that_wait_long(make):
    world = await seen(make, wait_s=3)
    assert set(world.fired) == ({"InferenceQueueWaitLong"} if make.knows_wait else set())


async def test_rates_are_those_of_the_server(make):
    world = await seen(make)
    assert value_of(world, "sum(rate(inference_requests_total[5m]))") == pytest.approx(20, rel=0.02)
    taken, count = (f"sum(rate(inference_request_duration_seconds_{part}[5m]))" for part in ("sum", "count"))
    assert value_of(world, f"{taken} / {count}") == pytest.approx(0.2, rel=0.02)
    assert set(labels_of(world, "inference_request_duration_seconds_count", "model")) <= {"m", ""}


async def test_limits_of_buckets_are_seconds(make):
    limits = set(labels_of(await seen(make), '{__name__=~"inference_.*_bucket"}', "le"))
    if make.name in {"triton", "ray_serve"}:
        assert sorted(map(float, limits)) == [*(limit / 1000 for limit in MILLISECONDS), float("inf")]


async def test_it_can_be_left_out(make):
    kept = {group.config.name for group in shipped_rules(["inference_servers"])}
    assert f"inference_{make.name}" not in kept


def labels_of(world, metric, label):
    return [
        labels.get(label, "")
        for labels, _ in Engine(world.store).instant(metric, START_MS + 900_000).samples()
    ]
