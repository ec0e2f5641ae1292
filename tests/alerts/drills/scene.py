"""Drills over a store in memory, the shipped rule and channels that remember."""

from __future__ import annotations

import asyncio
import contextlib

from prometheus_client import CollectorRegistry

from tests.rules.helpers import START_MS, MemoryStore
from tests.support.clock import ManualClock, settle
from tocsin.alerts import AlertingState, DeliveryError, Dispatcher, Inhibitor, Muting, build_route
from tocsin.alerts.drills import (
    DeliveryPath,
    DrillDesk,
    DrillMetrics,
    DrillRequest,
    DrillRoute,
    WatchedChannel,
)
from tocsin.alerts.incidents import IncidentBook, IncidentMetrics, Links
from tocsin.config import parse_source, validate
from tocsin.config.settings import Settings
from tocsin.notify import NotifyMetrics
from tocsin.notify.retry import RetryingChannel
from tocsin.promql import Engine
from tocsin.rules import RuleGroup, RuleMetrics, Surroundings, query_by, shipped_rules

CONFIG = """
alertmanager:
  route:
    receiver: team
    group_by: [alertname]
    group_wait: 10s
    group_interval: 5m
    routes:
      - {matchers: ['severity="critical"'], receiver: pager, group_wait: 0s, continue: true}
      - {matchers: ['severity="critical"'], receiver: log, group_wait: 0s}
      - {matchers: ['team="night"'], receiver: pager, mute_time_intervals: [always]}
  time_intervals:
    - {name: always, time_intervals: [{weekdays: ['sunday:saturday']}]}
  inhibit_rules:
    - {source_matchers: ['alertname="Down"'], target_matchers: ['severity="low"']}
  receivers: [{name: team}, {name: pager}, {name: log}, {name: empty}]
escalations:
  - {name: all, levels: [{after: 0s, to: [log]}]}
maintenance:
  - {name: move, matchers: ['team="move"'], time_intervals: [{weekdays: ['sunday:saturday']}]}
"""


class FakeChannel:
    """Remembers what it was told and when; refuses with each of ``errors`` first."""

    integration = "webhook"

    def __init__(self, clock, *errors, send_resolved=True):
        self.clock = clock
        self.errors = list(errors)
        self.send_resolved = send_resolved
        self.told = []

    async def notify(self, notification, timeout_s=None):
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else self.errors.pop(0)
        self.told.append(((self.clock.now_ms() - START_MS) / 1000, notification))

    @property
    def statuses(self):
        return [notification.status for _, notification in self.told]


def refusal(text="answered 404", *, again=False):
    return DeliveryError(text, is_retryable=again)


class Scene:
    """``async with Scene() as scene``; nothing moves but by :meth:`wait`."""

    def __init__(self, *, state=None, store=None, is_ruled=True, **channels):
        self.settings = validate(Settings, parse_source(CONFIG, "tocsin.yml"))
        self.clock = ManualClock(START_MS)
        self.store = store or MemoryStore()
        self.registry = CollectorRegistry()
        self.state = state or AlertingState.open()
        self.channels = {
            "team": [FakeChannel(self.clock)],
            "pager": [FakeChannel(self.clock)],
            "log": [FakeChannel(self.clock, send_resolved=False)],
            "empty": [],
            **{
                name: [FakeChannel(self.clock, *errors) for errors in each] for name, each in channels.items()
            },
        }
        database = self.state.database
        self.book = IncidentBook(
            database,
            self.settings.incidents,
            self.settings.escalations,
            links=Links(database, "http://here"),
            metrics=IncidentMetrics(self.registry),
        )
        self.desk = DrillDesk(self.store, self.clock, self.book, database, DrillMetrics(self.registry))
        self.engine = Engine(self.store)
        self._is_ruled = is_ruled
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self):
        config = self.settings.alertmanager
        muting = Muting(
            Inhibitor(config.inhibit_rules), self.state.silences, config.intervals, self.settings.maintenance
        )
        metrics = NotifyMetrics(CollectorRegistry())
        channels = {
            name: [
                RetryingChannel(WatchedChannel(channel, f"webhook/{index}", self.desk), self.clock, metrics)
                for index, channel in enumerate(each)
            ]
            for name, each in self.channels.items()
        }
        root = DrillRoute.over(build_route(config.route), channels)
        self.dispatcher = Dispatcher(root, channels, self.clock, self.state, muting, "http://here", self.book)
        self.desk.open(DeliveryPath(root, channels, muting, self.state.silences))
        around = Surroundings(query_by(self.engine), self.store, self.clock, self._notify, RuleMetrics())
        self.groups = [RuleGroup(each, around) for each in shipped_rules() if each.config.name == "drill"]
        for work in (self.dispatcher.run(), self.desk.run()):
            self._stack.push_async_callback(_stop, asyncio.create_task(work))
        await settle()
        return self

    async def __aexit__(self, *_):
        await self._stack.aclose()

    def _notify(self, alerts):
        alerts = self.desk.ours(alerts)
        self.desk.fired(alerts)
        self.dispatcher.put(alerts)

    async def wait(self, duration_s):
        """Let time pass, with an evaluation each second."""
        for _ in range(duration_s):
            for group in self.groups if self._is_ruled else ():
                await group.evaluate(self.clock.now_ms())
                assert not any(rule.status.last_error for rule in group.rules)
            await self.clock.advance(1)

    async def drill(self, *receivers, wait_s=3, **options):
        """Start one and let some seconds pass; returns how it stands then."""
        drill = self.desk.start(DrillRequest(receivers=receivers, **options))
        await settle()
        await self.wait(wait_s)
        return self.desk.get(drill.id)

    def series(self, expression):
        """What a query yields now."""
        return self.engine.instant(expression, self.clock.now_ms()).samples()

    def metrics(self, name):
        """The samples of our own metric by receiver and integration."""
        return {
            (sample.labels.get("receiver", ""), sample.labels.get("integration", "")): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        }


async def _stop(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def kinds(drill):
    return [stage.kind.value for stage in drill.stages]
