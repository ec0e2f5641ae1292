"""The same configuration and alerts: tocsin and a real Alertmanager send the same webhooks.

First one configuration with everything in it, then a forest of routing trees that nobody chose.
"""

from __future__ import annotations

import contextlib
import random
import time
from datetime import UTC, datetime

import httpx
import orjson
import pytest
import yaml

from tests.clients.forest import alert_labels, forest, silenced_labels
from tests.clients.pair import alertmanager_and_tocsin, matcher, silence, time_text
from tests.notify.sink import webhook_sink

pytestmark = pytest.mark.peer

CONFIG = """
global: {resolve_timeout: 10m}
time_intervals:
  - {name: long_ago, time_intervals: [{years: ['2001']}]}
  - {name: always, time_intervals: [{years: ['2020:2099']}]}
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity=~"warning|info"]
    equal: [cluster]
  - source_matchers: [alertname="Maintenance"]
    target_matchers: [team="b"]
route:
  receiver: all
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - {matchers: [team="a"], receiver: a, group_by: [cluster], continue: true}
    - matchers: [team="a"]
      receiver: single
      group_by: ['...']
      routes:
        - {matchers: [severity="info"], receiver: never_resolved}
    - matchers: [team=~"b|c"]
      receiver: b
      routes: [{matchers: [zone!=""], receiver: zoned, group_by: [zone]}]
    - {matchers: [when="muted"], receiver: b, mute_time_intervals: [always]}
    - {matchers: [when="loud"], receiver: b, mute_time_intervals: [long_ago], active_time_intervals: [always]}
    - {matchers: [when="asleep"], receiver: b, active_time_intervals: [long_ago]}
receivers:
  - {name: all, webhook_configs: [{url: 'URL/all'}]}
  - {name: a, webhook_configs: [{url: 'URL/a'}, {url: 'URL/a/few', max_alerts: 1}]}
  - {name: b, webhook_configs: [{url: 'URL/b'}]}
  - {name: single, webhook_configs: [{url: 'URL/single'}]}
  - {name: zoned, webhook_configs: [{url: 'URL/zoned'}]}
  - {name: never_resolved, webhook_configs: [{url: 'URL/never', send_resolved: false}]}
"""
SILENCES = [
    {"team": "c", "zone": "quiet"},
    {"alertname": "Known"},
]

LABELS = [
    {"alertname": "Hot", "team": "a", "cluster": "1", "severity": "critical", "host": "h1"},
    {"alertname": "Hot", "team": "a", "cluster": "1", "severity": "warning", "host": "h2"},
    {"alertname": "Hot", "team": "a", "cluster": "2", "severity": "warning", "host": "h3"},
    {"alertname": "Slow", "team": "a", "cluster": "2", "severity": "info", "host": "h3"},
    {"alertname": "Slow", "team": "b", "cluster": "3", "severity": "info"},
    {"alertname": "Slow", "team": "c", "zone": "quiet"},
    {"alertname": "Slow", "team": "c", "zone": "loud", "nach": "ü"},
    {"alertname": "Known", "team": "b"},
    {"alertname": "Known", "team": "d", "cluster": "9"},
    {"alertname": "When", "when": "muted"},
    {"alertname": "When", "when": "loud"},
    {"alertname": "When", "when": "asleep"},
    {"alertname": "Other", "quoted": 'a "b" \\ \n c'},
    {"severity": "warning", "cluster": "none", "alertname": "Lonely"},
]
PHASES = [
    dict.fromkeys(range(len(LABELS)), True),
    dict.fromkeys((1, 3, 6, 10, 12), False),
    {1: True, 0: False, 3: False},
]
"""What is posted one after the other: numbers of alerts, and whether they fire."""

QUIET_S = 4.6
"""Two intervals of groups and a bit, so that what comes next arrives well between two of their flushes."""


class Play:
    """Both with one configuration, and all that happens to them."""

    def __init__(self, urls, labels):
        self.clients = [httpx.Client(base_url=f"{url}/api/v2", trust_env=False, timeout=30) for url in urls]
        self.labels = labels
        self.starts = {}
        self.silence_ids = {client: [] for client in self.clients}

    def close(self):
        for client in self.clients:
            client.close()

    def silence(self, wanted):
        """Silence alerts by their labels, and wait until that has begun everywhere."""
        for labels in wanted:
            matchers = [matcher(name, value) for name, value in labels.items()]
            content = silence(matchers=matchers, startsAt=time_text(0.3))
            for client in self.clients:
                answer = client.post("/silences", json=content).raise_for_status()
                self.silence_ids[client].append(answer.json()["silenceID"])
        time.sleep(1)

    def end_a_silence(self):
        for client in self.clients:
            client.delete(f"/silence/{self.silence_ids[client].pop()}").raise_for_status()

    def post(self, phase):
        """Post the same reports to both; an alert begins when it is first posted."""
        now = datetime.now(UTC)
        reports = [self.report(number, now, is_firing=is_firing) for number, is_firing in phase.items()]
        for client in self.clients:
            client.post("/alerts", json=reports).raise_for_status()

    def standing(self, client):
        """Where each alert stands in the end, and who hears of it.

        Alertmanager leaves it to chance which of several alerts inhibits one, and names a receiver once for
        each route on which the alert comes to it, where tocsin names it once.
        """
        content = client.get("/alerts").raise_for_status().json()
        names = self.silence_ids[client]
        return [
            {
                "fingerprint": alert["fingerprint"],
                "state": alert["status"]["state"],
                "is inhibited": bool(alert["status"]["inhibitedBy"]),
                "silences": sorted(map(names.index, alert["status"]["silencedBy"])),
                "receivers": list(dict.fromkeys(receiver["name"] for receiver in alert["receivers"])),
            }
            for alert in content
        ]

    def report(self, number, now, *, is_firing):
        starts = self.starts.setdefault(number, now)
        if not is_firing:
            del self.starts[number]
        return {
            "labels": self.labels[number],
            "annotations": {"summary": f"number {number}", "same": "for all"},
            "startsAt": time_text(0, starts),
            "endsAt": time_text(3600 if is_firing else 0, now),
            "generatorURL": f"http://here/{number}",
        }


def until_quiet(*sinks):
    """Wait until nobody has got anything for a while."""
    seen, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < QUIET_S:
        count = sum(len(sink.requests) for sink in sinks)
        if count != seen:
            seen, since_s = count, time.monotonic()
        time.sleep(0.05)


def told(sink):
    """What came, without what names the sender, in an order that does not depend on who was first."""
    bodies = [
        {"path": request["path"], **{k: v for k, v in request["body"].items() if k != "externalURL"}}
        for request in sink.requests
    ]
    return sorted(bodies, key=lambda body: orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


def played(folder, config, labels, silences, phases):
    """What Alertmanager and tocsin told, and how things stand; one silence ends after the first phase."""
    with (
        webhook_sink() as theirs,
        webhook_sink() as ours,
        alertmanager_and_tocsin(
            folder, config.replace("URL", theirs.url), config.replace("URL", ours.url)
        ) as urls,
        contextlib.closing(Play(urls, labels)) as play,
    ):
        play.silence(silences)
        for index, phase in enumerate(phases):
            if index == 1:
                play.end_a_silence()
            play.post(phase)
            until_quiet(theirs, ours)
        return [
            (told(sink), play.standing(client))
            for sink, client in zip((theirs, ours), play.clients, strict=True)
        ]


def test_everything_at_once(tmp_path):
    (theirs, their_standing), (ours, our_standing) = played(tmp_path, CONFIG, LABELS, SILENCES, PHASES)
    assert {body["path"] for body in theirs} == {"/all", "/a", "/a/few", "/b", "/single", "/zoned", "/never"}
    assert {body["status"] for body in theirs} == {"firing", "resolved"}
    assert "Known" in {alert["labels"].get("alertname") for body in theirs for alert in body["alerts"]}
    assert len(theirs) >= 15
    assert ours == theirs
    assert our_standing == their_standing


def test_a_forest_that_nobody_chose(tmp_path):
    choose = random.Random(5)
    config = yaml.safe_dump(forest(choose))
    labels = alert_labels(choose)
    numbers = range(len(labels))
    over = {number: False for number in numbers if choose.random() < 0.3}
    again = {number: number in over for number in numbers if choose.random() < 0.2}
    phases = [dict.fromkeys(numbers, True), over, again]
    (theirs, their_standing), (ours, our_standing) = played(
        tmp_path, config, labels, silenced_labels(choose), phases
    )
    assert len({body["path"] for body in theirs}) == 6
    assert len({body["groupKey"] for body in theirs}) > 50
    assert {"active", "suppressed"} == {alert["state"] for alert in their_standing}
    assert any(alert["is inhibited"] for alert in their_standing)
    assert any(alert["silences"] for alert in their_standing)
    assert ours == theirs
    assert our_standing == their_standing
