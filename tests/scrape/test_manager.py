from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from tests.scrape.exposition_server import MemoryStore, exposition_server, until
from tests.support.clock import ManualClock
from tocsin.config.relabel import RelabelConfig
from tocsin.config.scrape import FileDiscoveryConfig, ScrapeConfig, TargetGroup, TlsConfig
from tocsin.errors import ConfigError
from tocsin.scrape import ScrapeManager, local_job


@pytest.fixture
async def server():
    async with exposition_server() as served:
        served.text("/metrics", "a 1\n")
        yield served


class Scraping:
    """A manager, its store and its clock."""

    def __init__(self, **options):
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.manager = ScrapeManager(self.store, self.clock, registry=self.registry, **options)

    async def turn(self, *metrics, seconds=15):
        """Let one interval pass and wait until these metrics got one more sample."""
        counts = {metric: len(self.store.values(metric)) for metric in metrics}
        await self.clock.advance(seconds)
        await until(lambda: all(len(self.store.values(m)) > n for m, n in counts.items()))


@pytest.fixture
async def scraping():
    made = Scraping()
    yield made
    await made.manager.close()


def job(name="j", address="", **config):
    static = {"static_configs": (TargetGroup(targets=(address,)),)} if address else {}
    return ScrapeConfig(job_name=name, **static, **config).resolved(15_000, 2000)


async def test_targets_are_shown_as_prometheus_shows_them(server, scraping):
    drop = RelabelConfig(action="drop", source_labels=("__address__",), regex="drop:1")
    groups = (TargetGroup(targets=(server.address, "drop:1"), labels={"zone": "a"}),)
    await scraping.manager.apply([job(static_configs=groups, relabel_configs=(drop,))])
    (before,) = scraping.manager.targets()["activeTargets"]
    assert (before["health"], before["lastScrape"]) == ("unknown", "0001-01-01T00:00:00Z")
    await scraping.turn("up")
    shown = scraping.manager.targets()
    (target,) = shown["activeTargets"]
    assert target.pop("lastScrape").startswith("2023-11-14T22:13:")
    assert 0 < target.pop("lastScrapeDuration") < 2
    assert target == {
        "discoveredLabels": {
            "__address__": server.address,
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "2s",
            "job": "j",
            "zone": "a",
        },
        "labels": {"instance": server.address, "job": "j", "zone": "a"},
        "scrapePool": "j",
        "scrapeUrl": server.url("/metrics"),
        "globalUrl": server.url("/metrics"),
        "lastError": "",
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "2s",
    }
    (dropped,) = shown["droppedTargets"]
    assert dropped["discoveredLabels"]["__address__"] == "drop:1"
    assert shown["droppedTargetCounts"] == {"j": 1}
    json.dumps(shown)


async def test_one_bad_target_never_delays_another(server, scraping):
    async def hang(request):
        await asyncio.sleep(60)

    server.pages["/hang"] = hang
    jobs = [job("good", server.address), job("bad", server.address, metrics_path="/hang")]
    await scraping.manager.apply(jobs)
    for _ in range(3):
        await scraping.turn("a")
    assert scraping.store.values("up", job="good") == [1.0, 1.0, 1.0]
    await until(lambda: scraping.store.values("up", job="bad"))
    assert scraping.store.values("up", job="bad")[0] == 0.0


async def test_an_unchanged_job_goes_on_undisturbed(server, scraping):
    await scraping.manager.apply([job(address=server.address)])
    await scraping.turn("a")
    await scraping.manager.apply([job(address=server.address), job("new", "127.0.0.1:1")])
    await scraping.turn("a")
    assert scraping.store.values("a") == [1.0, 1.0]


async def test_a_changed_job_keeps_the_series_of_targets_that_stay(server, scraping):
    two = (TargetGroup(targets=(server.address, server.address.replace("127.0.0.1", "localhost"))),)
    await scraping.manager.apply([job(static_configs=two)])
    await scraping.clock.advance(15)
    gone = server.address.replace("127.0.0.1", "localhost")
    await until(lambda: scraping.store.values("a", instance=server.address))
    await until(lambda: scraping.store.values("a", instance=gone))
    await scraping.manager.apply([job(address=server.address, honor_labels=True)])
    await scraping.clock.advance(15)
    await until(lambda: len(scraping.store.values("a", instance=server.address)) == 2)
    assert scraping.store.values("a", instance=server.address) == [1.0, 1.0]
    assert scraping.store.values("a", instance=gone) == [1.0, "stale"]
    assert scraping.store.values("up", instance=gone) == [1.0, "stale"]


async def test_a_job_that_goes_and_the_end_are_marked(server, scraping):
    await scraping.manager.apply([job("one", server.address), job("two", server.address)])
    await scraping.clock.advance(15)
    await until(lambda: scraping.store.values("a", job="one") and scraping.store.values("a", job="two"))
    await scraping.manager.apply([job("two", server.address)])
    assert scraping.store.values("a", job="one") == [1.0, "stale"]
    assert scraping.store.values("a", job="two") == [1.0]
    running = asyncio.create_task(scraping.manager.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert scraping.store.values("a", job="two") == [1.0, "stale"]
    assert scraping.store.values("up", job="two") == [1.0, "stale"]


async def test_a_configuration_that_cannot_be_changes_nothing(server, scraping, tmp_path):
    await scraping.manager.apply([job(address=server.address)])
    bad_tls = job("tls", "h:1", tls_config=TlsConfig(ca_file=tmp_path / "none.pem"))
    for jobs in ([bad_tls], [job("x"), job("x")]):
        with pytest.raises(ConfigError, match=r"tls_config names a file|is used by 2"):
            await scraping.manager.apply(jobs)
    await scraping.turn("a")


async def test_files_bring_and_take_targets(server, scraping, tmp_path):
    file = tmp_path / "t.json"
    config = job(file_sd_configs=(FileDiscoveryConfig(files=(str(file),)),))
    await scraping.manager.apply([config])
    assert scraping.manager.targets()["activeTargets"] == []
    file.write_text(json.dumps([{"targets": [server.address]}]))
    await scraping.clock.advance(5)
    await until(lambda: scraping.manager.targets()["activeTargets"])
    await scraping.turn("a")
    file.write_text("broken")
    await scraping.clock.advance(5)
    await until(scraping.manager.problems)
    assert "not valid JSON" in scraping.manager.problems()[0]
    await scraping.turn("a")
    file.write_text("[]")
    await scraping.clock.advance(5)
    await until(lambda: scraping.store.values("up")[-1] == "stale")
    assert scraping.manager.targets()["activeTargets"] == []
    assert scraping.manager.problems() == []


async def test_a_new_timeout_from_discovery_restarts_the_loop_without_a_gap(server, scraping, tmp_path):
    file = tmp_path / "t.json"

    def write(timeout):
        labels = {"__scrape_timeout__": timeout}
        file.write_text(json.dumps([{"targets": [server.address], "labels": labels}]))

    write("2s")
    await scraping.manager.apply([job(file_sd_configs=(FileDiscoveryConfig(files=(str(file),)),))])
    await scraping.turn("a")
    write("13s")
    await scraping.clock.advance(5)
    await until(lambda: scraping.manager.targets()["activeTargets"][0]["scrapeTimeout"] == "13s")
    await scraping.turn("a")
    assert "stale" not in scraping.store.values("a")


async def test_processes_that_announce_themselves_are_scraped(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "targets").mkdir()
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    groups = [{"targets": [server.address], "labels": {"run": "r1"}}]
    (tmp_path / "targets" / f"{child.pid}-1.json").write_text(json.dumps(groups))
    (tmp_path / "targets" / f"{os.getpid()}-2.json").write_text("[]")
    scraping = Scraping(local=local_job(5000, 2000))
    await scraping.manager.apply([])
    await scraping.turn("a", seconds=5)
    assert scraping.store.values("up", job="tocsin_sdk", run="r1") == [1.0]
    await child.communicate(b"\n")
    await scraping.clock.advance(5)
    await until(lambda: scraping.store.values("up")[-1] == "stale")
    await scraping.manager.close()


async def test_the_target_limit_fails_every_scrape_of_the_job(server, scraping):
    groups = (TargetGroup(targets=(server.address, "other:1")),)
    await scraping.manager.apply([job(static_configs=groups, target_limit=1)])
    await scraping.clock.advance(15)
    await until(lambda: scraping.store.values("up", instance=server.address))
    assert scraping.store.values("up", instance=server.address) == [0.0]
    assert "target_limit 1" in scraping.manager.targets()["activeTargets"][0]["lastError"]


async def test_scraping_counts_what_it_does(server, scraping):
    server.text("/metrics", "a 1\na 2\nb 1\n")
    await scraping.manager.apply([job(address=server.address)])
    await scraping.turn("a")
    value = scraping.registry.get_sample_value
    assert value("tocsin_scrapes_total", {"job": "j", "outcome": "success"}) == 1
    assert value("tocsin_scrape_samples_total", {"job": "j"}) == 3
    assert value("tocsin_scrape_duplicate_samples_total", {"job": "j"}) == 1
    assert value("tocsin_scrape_targets", {"job": "j"}) == 1
