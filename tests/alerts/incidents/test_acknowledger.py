"""Services that escalate by themselves hear that somebody acts."""

from __future__ import annotations

import asyncio

import pytest

from tests.alerts.incidents.scene import Scene
from tests.support.clock import settle
from tocsin.alerts import DeliveryError
from tocsin.alerts.incidents import Acknowledger


class Service:
    """A channel that is told of acknowledgements, and fails as often as a test says."""

    integration = "person"

    def __init__(self):
        self.acknowledged = []
        self.failures = []

    async def acknowledge(self, group_key):
        if self.failures:
            raise self.failures.pop(0)
        self.acknowledged.append(group_key)


@pytest.fixture
def service():
    return Service()


async def acknowledged(service, wait_s=1, receiver="team"):
    it = Scene()
    task = asyncio.create_task(Acknowledger(it.book, {receiver: [service]}, it.clock).run())
    await it.fire()
    await it.wait(1)
    it.book.acknowledge(1, "anna", it.clock.now_ms())
    await settle()
    await it.wait(wait_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert it.book.on_acknowledged is None
    return [(entry.kind, entry.who, entry.text) for entry in it.book.timeline.of(1)]


async def test_whoever_was_told_hears_of_it(service):
    entries = await acknowledged(service)
    assert service.acknowledged == ['{}:{alertname="A"}']
    assert entries[-1] == ("notified", "team", "acknowledged by person")


async def test_whoever_was_not_told_does_not(service):
    await acknowledged(service, receiver="boss")
    assert service.acknowledged == []


async def test_it_is_tried_again(service):
    service.failures = [DeliveryError("busy", is_retryable=True)] * 2
    await acknowledged(service, 10)
    assert len(service.acknowledged) == 1


async def test_it_is_given_up_and_the_timeline_says_so(service):
    service.failures = [DeliveryError("busy", is_retryable=True)] * 9
    entries = await acknowledged(service, 60)
    assert entries[-1] == ("not notified", "team", "acknowledged by person: busy")
    assert len(service.failures) == 5


async def test_what_is_refused_is_not_tried_again(service):
    service.failures = [DeliveryError("no such key", is_retryable=False)] * 2
    entries = await acknowledged(service, 60)
    assert entries[-1] == ("not notified", "team", "acknowledged by person: no such key")
    assert len(service.failures) == 1
