"""Programs that scrape a page and forward what they found to tocsin by remote write."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.peers import require_peer
from tests.support.ports import free_port
from tests.support.process import RunningTocsin

INTERVAL_MS = 250
STOP_TIMEOUT_S = 30

SCRAPE_CONFIGS = """
scrape_configs:
- job_name: page
  static_configs: [{{targets: ["{address}"], labels: {{zone: home}}}}]
- job_name: leaving
  metrics_path: /leaving
  static_configs: [{{targets: ["{address}"]}}]
"""
GLOBAL = f"global: {{scrape_interval: {INTERVAL_MS}ms, scrape_timeout: {INTERVAL_MS}ms}}\n"
# One shard keeps the order, so that what has arrived tells what came before.
REMOTE_WRITE = """
remote_write:
- url: "{url}"
  metadata_config: {{send_interval: 1s}}
  queue_config: {{max_shards: 1, batch_send_deadline: 100ms, min_backoff: 30ms, max_backoff: 200ms}}
"""


class Engine:
    """Whatever answers PromQL over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def get(self, path: str, **parameters: object) -> Any:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.get(f"{self.url}{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def instant(self, query: str, time_ms: int) -> dict[str, object]:
        """Values, or for a range the list of its samples, by labels as text."""
        data = await self.get("/api/v1/query", query=query, time=time_ms / 1000)
        return _by_labels(data["result"])

    async def range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> dict[str, object]:
        bounds = {"start": start_ms / 1000, "end": end_ms / 1000, "step": step_ms / 1000}
        data = await self.get("/api/v1/query_range", query=query, **bounds)
        return _by_labels(data["result"])


def _by_labels(result: list[Mapping[str, object]]) -> dict[str, object]:
    return {
        json.dumps(each["metric"], sort_keys=True): each.get("values", each.get("value")) for each in result
    }


async def wait_until(what: str, condition: Callable[[], Awaitable[bool]], timeout_s: float = 60.0) -> None:
    """Ask again and again until something is so."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await _is_so(condition):  # noqa: ASYNC110 - it comes about in another process
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(f"not within {timeout_s:g} s: {what}") from error


async def _is_so(condition: Callable[[], Awaitable[bool]]) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return await condition()
    return False


@contextlib.asynccontextmanager
async def process(log: Path, *command: str) -> AsyncIterator[None]:
    with log.open("w") as output:
        running = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        yield
    finally:
        running.terminate()
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await running.wait()


@contextlib.asynccontextmanager
async def prometheus(folder: Path, *options: str) -> AsyncIterator[Engine]:
    """A real Prometheus on the prometheus.yml of the folder."""
    program, port = require_peer("prometheus"), free_port()
    command = (
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        # At its end it tries to send the rest, for a minute if need be.
        "--storage.remote.flush-deadline=100ms",
        *options,
    )
    engine = Engine(f"http://127.0.0.1:{port}")
    async with process(folder / "prometheus.log", *command):
        await wait_until("prometheus is ready", lambda: _is_ready(engine.url))
        yield engine


async def _is_ready(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{url}/-/ready")).status_code == 200


@contextlib.asynccontextmanager
async def prometheus_that_forwards(folder: Path, address: str, tocsin: str) -> AsyncIterator[Engine]:
    """Scrapes and forwards; it also is what tocsin's answers are compared with."""
    remote_write = REMOTE_WRITE.format(url=f"{tocsin}/api/v1/write")
    (folder / "prometheus.yml").write_text(GLOBAL + SCRAPE_CONFIGS.format(address=address) + remote_write)
    async with prometheus(folder) as engine:
        yield engine


@contextlib.asynccontextmanager
async def vmagent_that_forwards(folder: Path, address: str, tocsin: str) -> AsyncIterator[Engine]:
    """vmagent scrapes, and forwards the same to tocsin and to a Prometheus that scrapes nothing."""
    require_peer("victoria-metrics")
    program = shutil.which("vmagent")
    assert program is not None, "vmagent comes with Debian's victoria-metrics"
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    async with prometheus(folder, "--web.enable-remote-write-receiver") as engine:
        config = folder / "vmagent.yml"
        config.write_text(GLOBAL + SCRAPE_CONFIGS.format(address=address))
        command = (
            program,
            f"-promscrape.config={config}",
            f"-remoteWrite.url={tocsin}/api/v1/write",
            f"-remoteWrite.url={engine.url}/api/v1/write",
            f"-remoteWrite.tmpDataPath={folder / 'queue'}",
            "-remoteWrite.queues=1",
            "-remoteWrite.flushInterval=200ms",
            f"-httpListenAddr=127.0.0.1:{free_port()}",
        )
        async with process(folder / "vmagent.log", *command):
            yield engine


FORWARDERS = {"prometheus": prometheus_that_forwards, "vmagent": vmagent_that_forwards}


@contextlib.contextmanager
def started(folder: Path, monkeypatch, port: int | None = None) -> Iterator[RunningTocsin]:
    """A tocsin that measures nothing by itself; it can be started again on the same port and data."""
    if port is not None:
        monkeypatch.setattr("tests.support.process.free_port", lambda: port)
    environment = {"TOCSIN_RUNTIME_DIR": str(folder / "runtime")}
    tocsin = RunningTocsin(folder, "collectors: {enabled: false}", environment=environment)
    try:
        tocsin.wait_until_ready()
        yield tocsin
    finally:
        if tocsin.process.poll() is None:
            tocsin.stop()
