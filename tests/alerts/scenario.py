"""Plays a timed scenario: reports, silences and questions through the API, on a clock that does not wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from tests.support.clock import ManualClock, settle
from tocsin.alerts import (
    AlertingState,
    DeliveryError,
    Dispatcher,
    Inhibitor,
    Muting,
    build_route,
)
from tocsin.alerts.desk import AlertDesk
from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.notify import NotifyMetrics
from tocsin.notify.retry import RetryingChannel
from tocsin.web.alerts_v2_api import AlertsV2Api

START_MS = 1_700_000_000_000


class Recorder:
    """A channel that remembers what it was told and when, and refuses everything for some seconds."""

    integration = "webhook"
    send_resolved = True

    def __init__(self, clock, *, refuses_until_s=0.0):
        self.clock = clock
        self.refuses_until_s = refuses_until_s
        self.told = []

    async def notify(self, notification, timeout_s=None):
        at_s = (self.clock.now_ms() - START_MS) / 1000
        if at_s < self.refuses_until_s:
            raise DeliveryError("not yet", is_retryable=True)
        self.told.append((at_s, notification.alerts))


class Scenario:
    """One scenario while it is played; all times are seconds after its start."""

    def __init__(self, case):
        text = case["config"]
        names = list(case["want"])
        for name in names:
            text = text.replace(f"${{{name}}}", f"http://127.0.0.1/{name}")
        self.case = case
        self.config = validate(AlertmanagerConfig, parse_source(text, "am.yml"))
        self.clock = ManualClock(START_MS)
        refusing = case.get("receivers") or {}
        self.channels = {
            name: Recorder(self.clock, refuses_until_s=refusing.get(name, {}).get("drop_until", 0.0))
            for name in names
        }
        self.state = AlertingState.open()
        self.desk = AlertDesk(self.state, self.clock)
        self.silence_ids = {}
        services = SimpleNamespace(
            desk=self.desk, clock=self.clock, started_ms=START_MS, alertmanager=lambda: self.config
        )
        app = Starlette(routes=list(AlertsV2Api(services).routes()))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")

    async def play(self):
        """Do everything at its time, and let the clock run to the end of the last window."""
        last_s = max(
            (window["to"] for windows in self.case["want"].values() for window in windows), default=0
        )
        running = self.start()
        for action in [*self.case["actions"], {"at": last_s}]:
            await self.clock.advance(max(0, action["at"] - (self.clock.now_ms() - START_MS) / 1000))
            if action.get("reload"):
                await stop(running)
                running = self.start()
            await self.do(action)
            await settle()
        await stop(running)
        await self.client.aclose()

    def start(self):
        config = self.config
        self.state.alerts.resolve_timeout_ms = config.global_.resolve_timeout
        muting = Muting(Inhibitor(config.inhibit_rules), self.state.silences, config.intervals)
        metrics = NotifyMetrics(CollectorRegistry())
        receivers = {
            receiver.name: [
                RetryingChannel(self.channels[name], self.clock, metrics)
                for webhook in receiver.webhook_configs
                for name in [webhook.url.get_secret_value().rpartition("/")[2]]
            ]
            for receiver in config.receivers
        }
        dispatcher = Dispatcher(build_route(config.route), receivers, self.clock, self.state, muting)
        self.desk.open(dispatcher)
        return asyncio.create_task(dispatcher.run())

    async def do(self, action):
        if "push" in action:
            answer = await self.client.post(
                "/api/v2/alerts", json=[alert_message(each) for each in action["push"]]
            )
            assert answer.status_code == 200, answer.text
        if "silence" in action:
            await self.silence(action["silence"], action.get("expect_status", 200))
        if "delete_silence" in action:
            silence_id = self.silence_ids[action["delete_silence"]]
            assert (await self.client.delete(f"/api/v2/silence/{silence_id}")).status_code == 200
        if "get" in action:
            await self.ask(action)

    async def silence(self, silence, status):
        message = {
            "matchers": silence["matchers"],
            "startsAt": time_text(silence["starts"]),
            "endsAt": time_text(silence["ends"]),
            "createdBy": "me",
            "comment": "",
            "id": self.silence_ids.get(silence["id"], ""),
        }
        answer = await self.client.post("/api/v2/silences", json=message)
        assert answer.status_code == status, answer.text
        if status == 200:
            self.silence_ids[silence["id"]] = answer.json()["silenceID"]

    async def ask(self, action):
        """Exactly the expected items, compared in the keys that are given."""
        answer = await self.client.get(
            f"/api/v2/{action['get']}", params={"filter": action.get("filter", [])}
        )
        assert answer.status_code == action.get("expect_status", 200), answer.text
        if answer.status_code != 200:
            return
        items = answer.json()
        if action["get"] == "alerts":
            labels_of = {item["fingerprint"]: item["labels"] for item in items}
            shown = [self.shown_alert(item, labels_of) for item in items]
        else:
            shown = [{"state": item["status"]["state"], "matchers": item["matchers"]} for item in items]
        expected = action["expect"]
        assert len(shown) == len(expected)
        for wanted in expected:
            assert any(all(item[key] == value for key, value in wanted.items()) for item in shown), (
                wanted,
                shown,
            )

    def shown_alert(self, item, labels_of):
        names = {silence_id: name for name, silence_id in self.silence_ids.items()}
        return {
            "labels": item["labels"],
            "state": item["status"]["state"],
            "silenced_by": [names[each] for each in item["status"]["silencedBy"]],
            "inhibited_by": [labels_of[each] for each in item["status"]["inhibitedBy"]],
        }


async def stop(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def alert_message(alert):
    times = {"startsAt": alert.get("starts"), "endsAt": alert.get("ends")}
    return {
        "labels": alert["labels"],
        "annotations": alert.get("annotations", {}),
        **{key: time_text(at_s) for key, at_s in times.items() if at_s is not None},
    }


def time_text(at_s):
    moment = datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(seconds=at_s)
    return moment.isoformat().replace("+00:00", "Z")
