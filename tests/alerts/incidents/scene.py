"""Alerts, incidents and people, on a clock that moves when a test says so."""

from __future__ import annotations

import asyncio

from tests.support.clock import ManualClock, settle
from tocsin.alerts import Alert, AlertingState, DeliveryError, Dispatcher, Inhibitor, Muting, build_route
from tocsin.alerts.incidents import Escalator, IncidentBook, Links
from tocsin.config.alertmanager import RouteConfig
from tocsin.config.escalation import EscalationConfig, IncidentsConfig
from tocsin.model import Labels

START_MS = 1_767_600_000_000  # Monday, 2026-01-05 08:00 UTC


class Person:
    """A channel that remembers when it was told of what."""

    integration = "person"
    send_resolved = True

    def __init__(self, clock):
        self.clock = clock
        self.told = []
        self.is_away = False
        self.delay_s = 0

    async def notify(self, notification, timeout_s=None):
        if self.delay_s:
            await self.clock.sleep(self.delay_s)
        if self.is_away:
            raise DeliveryError("away", is_retryable=False)
        self.told.append((self.clock.now_ms() - START_MS) // 1000)


class Scene:
    def __init__(self, people="team", folder=None, escalations=(), rotations=(), maintenance=(), **incidents):
        self.folder, self.escalations, self.rotations = folder, escalations, rotations
        self.maintenance, self.incidents = maintenance, incidents
        self.clock = ManualClock(START_MS)
        self.people = {name: Person(self.clock) for name in people.split()}
        self.start()

    def start(self):
        """Begin, or begin anew after a restart."""
        self.state = AlertingState.open(self.folder)
        self.state.resume(self.clock.now_ms())
        self.book = IncidentBook(
            self.state.database,
            IncidentsConfig(**self.incidents),
            [EscalationConfig(**each) for each in self.escalations],
            links=Links(self.state.database, "http://here"),
        )
        muting = Muting(Inhibitor(()), self.state.silences, {}, self.maintenance)
        root = build_route(
            RouteConfig(receiver="team", group_by=("alertname",), group_wait=0, group_interval=10_000)
        )
        receivers = {name: [person] for name, person in self.people.items()}
        self.dispatcher = Dispatcher(root, receivers, self.clock, self.state, muting, "", self.book)
        escalator = Escalator(self.book, receivers, self.rotations, muting, self.clock)
        self.dispatcher.load()
        self.tasks = [asyncio.create_task(self.dispatcher.run()), asyncio.create_task(escalator.run())]

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.state.close()

    async def fire(self, name="A", lasts_s=10**6, **labels):
        now_ms = self.clock.now_ms()
        alert = Alert(
            Labels({"alertname": name, **labels}), {"summary": name}, now_ms, now_ms + lasts_s * 1000
        )
        self.dispatcher.put([alert])
        await settle()
        await self.clock.advance(0)

    async def resolve(self, name="A", **labels):
        await self.fire(name, 0, **labels)

    async def wait(self, seconds):
        """Second after second, as the escalator looks."""
        for _ in range(seconds):
            await self.clock.advance(1)

    def kinds(self, incident_id=1):
        return [entry.kind.value for entry in self.book.timeline.of(incident_id)]
