"""Killed at random moments of notifying: everybody hears of everything, and hardly anything twice."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support.process import RunningTocsin
from tests.support.webhook import webhook_receiver

KILLS = int(os.environ.get("TOCSIN_TEST_KILLS", "3"))

# What was answered by the receiver and not yet noted in the log when the process was killed is told again.
WINDOW_MS = 500

CONFIG = """
collectors: {{enabled: false}}
alertmanager:
  route: {{receiver: all, group_by: [n], group_wait: 0s, group_interval: 1s}}
  receivers: [{{name: all, webhook_configs: [{{url: '{url}'}}]}}]
"""


class Sender(threading.Thread):
    """Posts one alert after another, each until it is accepted, and remembers which were."""

    def __init__(self):
        super().__init__()
        self.url = ""
        self.accepted = []
        self.is_over = threading.Event()

    def run(self):
        with httpx.Client(trust_env=False, timeout=5) as client:
            while not self.is_over.is_set():
                name = f"a{len(self.accepted)}"
                if post(client, self.url, [name], lasts=timedelta(hours=1)):
                    self.accepted.append(name)
                time.sleep(0.01)


def post(client, url, names, lasts):
    now = datetime.now(UTC)
    message = [
        {
            "labels": {"alertname": "A", "n": name},
            "startsAt": now.isoformat(),
            "endsAt": (now + lasts).isoformat(),
        }
        for name in names
    ]
    try:
        return client.post(f"{url}/api/v2/alerts", json=message).status_code == 200
    except httpx.TransportError:
        return False


def told(hook, status):
    """When each alert was told in a state."""
    times = defaultdict(list)
    for arrived_ms, body in list(hook.arrived):
        for alert in body["alerts"]:
            if alert["status"] == status:
                times[alert["labels"]["n"]].append(arrived_ms)
    return times


def until(condition, timeout_s=60.0):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.timeout(600)
def test_whatever_was_accepted_is_told_though_it_is_killed(tmp_path):
    sender, killed_ms, chance = Sender(), [], random.Random()
    with webhook_receiver() as hook:
        tocsin = RunningTocsin(tmp_path, CONFIG.format(url=hook.url))
        try:
            tocsin.wait_until_ready()
            sender.url = tocsin.url
            sender.start()
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.2, 1.5))
                killed_ms.append(time.time_ns() // 1_000_000)
                tocsin.kill()
                tocsin = RunningTocsin(tmp_path, CONFIG.format(url=hook.url))
                tocsin.wait_until_ready()
                sender.url = tocsin.url
            time.sleep(0.5)
            sender.is_over.set()
            sender.join()
            accepted = set(sender.accepted)
            assert len(accepted) > 10 * KILLS
            until(lambda: accepted <= told(hook, "firing").keys())
            with httpx.Client(trust_env=False) as client:
                assert post(client, tocsin.url, sorted(accepted), lasts=timedelta(0))
            until(lambda: accepted <= told(hook, "resolved").keys())
        finally:
            sender.is_over.set()
            tocsin.stop()
        again = {name: times for name, times in told(hook, "firing").items() if len(times) > 1}
        for name, times in again.items():
            assert any(-WINDOW_MS <= kill_ms - times[0] <= WINDOW_MS for kill_ms in killed_ms), (
                name,
                times,
                killed_ms,
            )
        print(f"{len(accepted)} alerts, {KILLS} kills, told twice: {len(again)}")
