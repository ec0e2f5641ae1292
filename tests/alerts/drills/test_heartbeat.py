"""The heartbeat is sent while the rules are alive, and only then."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from tests.alerts.drills.scene import START_MS, FakeChannel, refusal
from tests.support.clock import ManualClock, settle
from tocsin.alerts import Alert
from tocsin.alerts.drills import Heartbeat, HeartbeatMetrics, Pulse
from tocsin.model import Labels

WATCHDOG = Labels({"alertname": "Watchdog", "severity": "none"})


class Beating:
    """A heartbeat each minute, and rules that raise Watchdog as long as they live."""

    def __init__(self, *errors):
        self.clock = ManualClock(START_MS)
        self.channel = FakeChannel(self.clock, *errors)
        self.registry = CollectorRegistry()
        self.pulse = Pulse()
        metrics = HeartbeatMetrics(self.registry)
        self.heartbeat = Heartbeat(
            [self.channel], "watcher", 60_000, 10_000, self.pulse, self.clock, metrics, "http://here"
        )
        self.task = asyncio.create_task(self.heartbeat.run())

    def rules(self, name="Watchdog"):
        """The rules hand something on."""
        now_ms = self.clock.now_ms()
        alert = Alert(WATCHDOG.merge({"alertname": name}), {}, now_ms, now_ms + 240_000)
        self.pulse.seen([alert], now_ms)

    async def wait(self, duration_s, *, rules=True):
        for _ in range(duration_s // 15):
            if rules:
                self.rules()
            await self.clock.advance(15)

    @property
    def beats_s(self):
        return [round(at_s) for at_s, _ in self.channel.told]

    def metric(self, name):
        return self.registry.get_sample_value(name) or self.registry.get_sample_value(
            name, {"receiver": "watcher"}
        )

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def beating():
    beating = Beating()
    await settle()
    yield beating
    await beating.stop()


async def test_it_beats_while_the_rules_live_and_stops_when_they_do(beating, caplog):
    await beating.wait(30, rules=False)
    assert beating.beats_s == []
    await beating.wait(300)
    assert beating.beats_s[:3] == [31, 91, 151]
    count = len(beating.beats_s)
    await beating.wait(900, rules=False)
    assert len(beating.beats_s) - count <= 3, "they may be late once"
    assert caplog.text.count("the heartbeat stops") == 1
    last_s = beating.beats_s[-1]
    await beating.wait(120)
    assert beating.beats_s[-1] > last_s
    assert beating.metric("tocsin_heartbeats_total") == len(beating.beats_s)
    assert beating.metric("tocsin_heartbeat_up") == 1


async def test_other_alerts_are_no_sign_of_life(beating):
    for _ in range(10):
        beating.rules("SystemDown")
        await beating.clock.advance(15)
    assert beating.beats_s == []


async def test_what_is_sent_is_the_watchdog_firing(beating):
    await beating.wait(60)
    _, message = beating.channel.told[0]
    (alert,) = message.alerts
    assert (alert.name, alert.ends_at_ms, message.status, message.receiver) == (
        "Watchdog",
        None,
        "firing",
        "watcher",
    )


async def test_failures_are_counted_and_shown_until_one_arrives(beating):
    beating.channel.errors = [refusal("answered 500")]
    await beating.wait(60)
    assert beating.metric("tocsin_heartbeats_failed_total") == 1
    assert beating.registry.get_sample_value("tocsin_heartbeat_up", {"receiver": "watcher"}) == 0
    beating.channel.errors = []
    await beating.wait(60)
    assert beating.metric("tocsin_heartbeat_up") == 1
    assert beating.metric("tocsin_heartbeat_last_success_timestamp_seconds") >= START_MS / 1000


async def test_what_is_not_sent_any_more_is_not_spoken_of(beating):
    await beating.wait(60)
    await beating.stop()
    assert beating.registry.get_sample_value("tocsin_heartbeat_up", {"receiver": "watcher"}) is None
