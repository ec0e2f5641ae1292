"""A real Prometheus scrapes the same page as we do, and forwards to us what it stored."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.scrape.exposition_server import MemoryStore, exposition_server, until
from tests.support.clock import ManualClock
from tests.support.peers import require_peer
from tests.support.ports import free_port
from tocsin.config import ConfigModel, parse_source, validate
from tocsin.config.scrape import ScrapeConfig
from tocsin.model import is_stale
from tocsin.receive import WriteRequestDecoder, unsupported_reason
from tocsin.scrape import ScrapeManager

pytestmark = pytest.mark.peer

PAGE = """\
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{code="200",path="/a b\\\\c\\"d"} 1027
requests_total{code="500",path=""} 0
# TYPE temperature gauge
temperature{instance="own",job="own"} -7.5e-3
temperature{instance="",zone="x"} NaN
# TYPE latency histogram
latency_bucket{le="0.5"} 1
latency_bucket{le="+Inf"} 2
latency_sum 1.5
latency_count 2
untyped_thing +Inf
go_hidden 1
sometimes 1
"""

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
- job_name: plain
  static_configs: [{{targets: ["{address}"], labels: {{zone: home}}}}]
  metric_relabel_configs:
  - {{action: drop, source_labels: [__name__], regex: go_.*}}
  - {{source_labels: [code], regex: (.)00, target_label: class, replacement: "${{1}}xx"}}
- job_name: honoured
  honor_labels: true
  params: {{a: [b]}}
  static_configs: [{{targets: ["{address}"]}}]
  relabel_configs:
  - {{source_labels: [__address__], regex: "(.*):(.*)", target_label: host, replacement: $1}}
- job_name: down
  metrics_path: /missing
  static_configs: [{{targets: ["{address}"]}}]
"""


class Jobs(ConfigModel):
    scrape_configs: tuple[ScrapeConfig, ...]


def jobs(text: str) -> list[ScrapeConfig]:
    found = validate(Jobs, parse_source(text.split("\n", 2)[2], "p.yml")).scrape_configs
    return [job.resolved(1000, 900) for job in found]


@contextlib.asynccontextmanager
async def prometheus(folder: Path, config: str):
    program = require_peer("prometheus")
    (folder / "prometheus.yml").write_text(config)
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{free_port()}",
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


def series_of(store: MemoryStore) -> dict[str, set[str]]:
    """Each series and the distinct values of it, where they do not depend on time."""
    found = {}
    for labels, samples in store.samples.items():
        timed = labels.metric_name in {"scrape_duration_seconds", "scrape_series_added"}
        values = {repr(float(value)) for value in samples.values() if not is_stale(value)}
        found[str(labels)] = set() if timed else values
    return found


async def test_prometheus_stores_the_same_series(tmp_path):
    theirs, ours = MemoryStore(), MemoryStore()
    decoder = WriteRequestDecoder()
    async with exposition_server() as server:
        server.text("/metrics", PAGE)

        async def missing(request):
            await request.answer(b"", "404 Not Found")

        async def write(request):
            headers = request.headers
            assert unsupported_reason(headers["content-type"], headers["content-encoding"]) is None
            received = decoder.decode(await request.body())
            await theirs.append(received.batch)
            theirs.describe(received.metadata)
            await request.answer(b"", "204 No Content")

        server.pages |= {"/missing": missing, "/write": write}
        config = CONFIG.format(address=server.address)
        remote = (
            f'remote_write: [{{url: "{server.url("/write")}", metadata_config: {{send_interval: 1s}}, '
            "queue_config: {batch_send_deadline: 200ms}}]\n"
        )
        clock = ManualClock()
        manager = ScrapeManager(ours, clock)
        await manager.apply(jobs(config))
        await clock.advance(1)
        await until(lambda: len(manager.targets()["activeTargets"]) == 3 and len(ours.batches) == 3)
        async with prometheus(tmp_path, config + remote):
            await until(lambda: len(theirs.samples) >= len(ours.samples) and theirs.metadata, 30)
            server.text("/metrics", PAGE.replace("sometimes 1\n", ""))
            await clock.advance(1)
            await until(lambda: len(ours.batches) == 6)
            with contextlib.suppress(TimeoutError):
                await until(
                    lambda: (
                        series_of(theirs) == series_of(ours)
                        and theirs.values("sometimes", job="plain")[-1] == "stale"
                    ),
                    30,
                )
        await manager.close()
    assert series_of(theirs) == series_of(ours)
    for store in (ours, theirs):
        assert store.values("sometimes", job="plain")[-1] == "stale"
    assert {name: theirs.metadata[name].type for name in ours.metadata} == {
        name: known.type for name, known in ours.metadata.items()
    }
