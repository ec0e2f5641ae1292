from __future__ import annotations

import asyncio
import random

from tests.support.clock import ManualClock, settle
from tocsin.alerts import (
    Alert,
    AlertingState,
    DeliveryError,
    Dispatcher,
    Inhibitor,
    Muting,
    Notification,
    build_route,
)
from tocsin.alerts.notification import in_order
from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import RouteConfig
from tocsin.model import Labels

START_MS = 1_700_000_000_000


class Recorder:
    """A channel that remembers what it was told, or fails."""

    integration = "recorder"

    def __init__(self, clock, *, send_resolved=True):
        self.clock = clock
        self.send_resolved = send_resolved
        self.told: list[tuple[float, Notification]] = []
        self.failures: list[BaseException] = []

    async def notify(self, notification, timeout_s=None):
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(((self.clock.now_ms() - START_MS) / 1000, notification))

    @property
    def summary(self):
        """Time, status and names of alerts of each notification; resolved alerts with a minus."""
        return [
            (at_s, [("" if alert.ends_at_ms is None else "-") + alert.name for alert in notification.alerts])
            for at_s, notification in self.told
        ]


class Scene:
    def __init__(self, route, **channels):
        self.clock = ManualClock(START_MS)
        self.channels = {name: make(self.clock) for name, make in (channels or {"all": Recorder}).items()}
        root = build_route(validate(RouteConfig, parse_source(route, "route.yml")))
        receivers = {name: [channel] for name, channel in self.channels.items()}
        self.state = AlertingState.open()
        self.muting = Muting(Inhibitor(()), self.state.silences, {})
        self.dispatcher = Dispatcher(root, receivers, self.clock, self.state, self.muting, "http://here")
        self.task = asyncio.create_task(self.dispatcher.run())

    async def fire(self, *names, ends_s=86_400.0, **labels):
        now_ms = self.clock.now_ms()
        self.dispatcher.put(
            [
                Alert(Labels({"alertname": name, **labels}), {}, now_ms, START_MS + round(ends_s * 1000))
                for name in names
            ]
        )
        await settle()

    async def resolve(self, *names, **labels):
        await self.fire(*names, ends_s=(self.clock.now_ms() - START_MS) / 1000, **labels)

    @property
    def summary(self):
        return self.channels["all"].summary


SIMPLE = "{receiver: all, group_by: [job], group_wait: 10s, group_interval: 60s, repeat_interval: 1h}"


async def test_alerts_of_a_group_are_told_together_after_the_group_wait():
    scene = Scene(SIMPLE)
    await scene.fire("A")
    await scene.clock.advance(5)
    await scene.fire("B")
    await scene.fire("C", job="other")
    await scene.clock.advance(10)
    assert scene.summary == [(10.0, ["A", "B"]), (15.0, ["C"])]
    notification = scene.channels["all"].told[1][1]
    assert (notification.group_key, notification.group_labels) == (
        '{}:{job="other"}',
        Labels({"job": "other"}),
    )
    assert notification.external_url == "http://here"


async def test_without_group_wait_they_are_told_at_once():
    scene = Scene("{receiver: all, group_wait: 0s}")
    await scene.fire("A")
    await scene.clock.advance(0)
    assert scene.summary == [(0.0, ["A"])]


async def test_what_is_new_is_told_at_the_next_interval_and_what_is_not_is_repeated_late():
    scene = Scene(SIMPLE)
    await scene.fire("A")
    await scene.clock.advance(20)
    await scene.fire("B")
    await scene.clock.advance(3600)
    assert scene.summary == [(10.0, ["A"]), (70.0, ["A", "B"])]
    await scene.clock.advance(120)
    assert scene.summary[2:] == [(3730.0, ["A", "B"])]


async def test_the_end_is_told_once_and_the_group_goes():
    scene = Scene(SIMPLE)
    await scene.fire("A", "B")
    await scene.clock.advance(20)
    await scene.resolve("A")
    await scene.clock.advance(55)
    await scene.resolve("B")
    await scene.clock.advance(600)
    assert scene.summary == [(10.0, ["A", "B"]), (70.0, ["-A", "B"]), (130.0, ["-B"])]
    assert scene.dispatcher.groups == []
    assert scene.state.alerts.all() == []


async def test_an_alert_that_comes_and_goes_within_the_group_wait_is_not_told():
    scene = Scene(SIMPLE)
    await scene.fire("A")
    await scene.resolve("A")
    await scene.clock.advance(60)
    assert scene.summary == []


async def test_an_alert_that_nobody_confirms_ends_at_its_end():
    scene = Scene(SIMPLE)
    await scene.fire("A", ends_s=50)
    await scene.clock.advance(100)
    assert scene.summary == [(10.0, ["A"]), (70.0, ["-A"])]


async def test_an_alert_that_has_waited_elsewhere_does_not_wait_again():
    scene = Scene(SIMPLE)
    scene.dispatcher.put([Alert(Labels({"alertname": "A"}), {}, START_MS - 11_000, START_MS + 86_400_000)])
    await settle()
    assert scene.summary == [(0.0, ["A"])]


async def test_who_does_not_want_to_know_of_the_end_is_not_told():
    scene = Scene(SIMPLE, all=lambda clock: Recorder(clock, send_resolved=False))
    await scene.fire("A")
    await scene.clock.advance(20)
    await scene.resolve("A")
    await scene.clock.advance(100)
    await scene.fire("A")
    await scene.clock.advance(100)
    assert scene.summary == [(10.0, ["A"]), (130.0, ["A"])]


async def test_a_failure_is_made_good_at_the_next_interval():
    scene = Scene(SIMPLE)
    scene.channels["all"].failures = [
        DeliveryError("refused", is_retryable=False),
        RuntimeError("a fault of ours"),
    ]
    await scene.fire("A")
    await scene.clock.advance(140)
    assert scene.summary == [(130.0, ["A"])]


class Stuck(Recorder):
    """A channel that never answers."""

    async def notify(self, notification, timeout_s=None):
        await asyncio.Event().wait()


async def test_a_channel_that_hangs_delays_no_other():
    route = "{receiver: all, group_wait: 0s, routes: [{receiver: stuck, continue: true}, {receiver: all}]}"
    scene = Scene(route, all=Recorder, stuck=Stuck)
    await scene.fire("A")
    await scene.clock.advance(0)
    assert scene.summary == [(0.0, ["A"])]


async def test_what_was_told_is_known_to_the_next_dispatcher():
    scene = Scene(SIMPLE)
    await scene.fire("A")
    await scene.clock.advance(20)
    scene.task.cancel()
    await asyncio.gather(scene.task, return_exceptions=True)
    root = build_route(RouteConfig(receiver="all", group_by=("job",), group_wait=0))
    again = Dispatcher(root, {"all": [scene.channels["all"]]}, scene.clock, scene.state, scene.muting)
    again.load()
    await settle()
    assert len(scene.summary) == 1


def test_order_is_that_of_alertmanager():
    ordered = [
        {"job": "a", "instance": "1"},
        {"job": "a", "instance": "2", "alertname": "A"},
        {"job": "a", "alertname": "A"},
        {"job": "b", "alertname": "A"},
        {"alertname": "A"},
        {"alertname": "B"},
        {"alertname": "A", "x": "1"},
    ]
    alerts = [Alert(Labels(labels), {}) for labels in ordered]
    shuffled = random.Random(1).sample(alerts, len(alerts))
    assert [dict(alert.labels) for alert in in_order(shuffled)] == [
        dict(Labels(labels)) for labels in ordered
    ]
