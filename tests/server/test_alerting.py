"""Drills, their failures and the heartbeat as parts of alerting, over an exchange of the configuration."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from prometheus_client import CollectorRegistry

from tests.notify.sink import webhook_sink
from tests.rules.helpers import MemoryStore, write
from tests.support.clock import ManualClock
from tocsin.alerts import Alert
from tocsin.config.settings import load_settings
from tocsin.errors import ConfigError
from tocsin.model import Labels
from tocsin.server.alerting import Alerting

CONFIG = """
alertmanager:
  route: {receiver: team, group_by: [alertname], group_wait: 0s}
  receivers:
    - {name: team, webhook_configs: [{url: 'URL/team'}]}
    - {name: pager, webhook_configs: [{url: 'URL/pager'}]}
alerting: {alertmanagers: [{static_configs: [{targets: ['HOST']}]}]}
"""
DRILLS = "drills: [{receiver: team, every: 1d, failed_to: pager}]\n"
HEARTBEAT = "heartbeat: {receiver: pager, interval: 1m}\n"
REAL_TIME_S = 10.0


class Scene:
    """Alerting on a clock of its own, and a server that takes all that it sends."""

    def __init__(self, folder, sink, text):
        self.folder, self.sink = folder, sink
        self.clock = ManualClock()
        settings = self.settings(text)
        self.alerting = Alerting(settings, self.clock, CollectorRegistry(), "http://here", MemoryStore())

    def settings(self, text):
        config = CONFIG.replace("URL", self.sink.url).replace("HOST", self.sink.url.removeprefix("http://"))
        return load_settings(write(self.folder / "tocsin.yml", config + text))

    def exchange(self, text):
        settings = self.settings(text)
        self.alerting.apply(settings, self.alerting.prepare(settings))

    def raise_(self, name, **labels):
        """The rules hand on an alert."""
        now_ms = self.clock.now_ms()
        alert = Alert(Labels({"alertname": name, **labels}), {}, now_ms, now_ms + 240_000)
        self.alerting.put([alert])

    async def told(self, path, alertname):
        """Wait, on the clock of this machine, until something was sent."""
        deadline_s = time.monotonic() + REAL_TIME_S
        while alertname not in self.names(path):
            assert time.monotonic() < deadline_s, self.sink.requests
            await self.clock.advance(0.1)
            await asyncio.sleep(0.01)

    def names(self, path):
        return [
            alert["labels"]["alertname"]
            for each in self.sink.requests
            if each["path"] == path
            for alert in (each["body"]["alerts"] if isinstance(each["body"], dict) else each["body"])
        ]


@contextlib.asynccontextmanager
async def running(folder, text):
    with webhook_sink() as sink:
        scene = Scene(folder, sink, text)
        tasks = [asyncio.create_task(each.run()) for each in (scene.alerting, scene.alerting.drills)]
        await scene.clock.advance(0)
        try:
            yield scene
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            scene.alerting.close()


async def test_drills_follow_the_configuration_in_force(tmp_path):
    async with running(tmp_path, "") as scene:
        await scene.clock.advance(70)
        assert scene.alerting.drills.newest(9) == []
        scene.exchange(DRILLS.replace("1d", "1m"))
        await scene.clock.advance(62)
        assert [each.request.receivers for each in scene.alerting.drills.newest(9)] == [("team",)]
        scene.exchange("")
        await scene.clock.advance(200)
        assert len(scene.alerting.drills.newest(9)) == 1


async def test_a_failure_is_told_to_both_and_a_drill_to_no_alertmanager_elsewhere(tmp_path):
    async with running(tmp_path, DRILLS) as scene:
        drill = scene.alerting.drills
        await scene.clock.advance(61)
        (started,) = drill.newest(1)
        scene.raise_("TocsinDrill", drill=started.id, receiver="team", severity="info")
        scene.raise_("DrillFailed", receiver="team", severity="critical")
        for path in ("/team", "/pager", "/api/v2/alerts"):
            await scene.told(path, "DrillFailed")
        await scene.told("/team", "TocsinDrill")
        assert "TocsinDrill" not in scene.names("/api/v2/alerts") + scene.names("/pager")


async def test_the_heart_beats_while_watchdog_comes(tmp_path):
    async with running(tmp_path, HEARTBEAT) as scene:
        scene.raise_("Watchdog", severity="none")
        await scene.told("/pager", "Watchdog")
        assert "Watchdog" not in scene.names("/team")


async def test_a_wrong_one_is_refused_before_anything_changes(tmp_path):
    async with running(tmp_path, DRILLS) as scene:
        with pytest.raises(ConfigError, match='only "team" itself would hear'):
            scene.exchange("drills: [{receiver: team, every: 1d}]")
        with pytest.raises(ConfigError, match="heartbeat: "):
            scene.exchange("heartbeat: {url: 'http://a', http_config: {tls_config: {ca_file: nowhere.pem}}}")
        await scene.clock.advance(61)
        assert len(scene.alerting.drills.newest(9)) == 1
