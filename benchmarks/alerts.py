"""How long 10,000 alerts that fire at once take to reach a webhook, beside a real Alertmanager.

Both get the same configuration and the same request to ``/api/v2/alerts``: once the alerts are 100 groups
of 100, once each is a group of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from benchmarks.table import Row

ALERTS = 10_000
GROUPS = (100, 10_000)
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
TIMEOUT_S = 120.0
SETTLE_S = 2.0
"""How long it is watched whether something comes twice."""

ALERTMANAGER = "prometheus-alertmanager"
ROUTES: Final = """
route: {{receiver: hook, group_by: [group], group_wait: 1s, group_interval: 5m, repeat_interval: 4h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}"}}]}}]
"""
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Arrivals:
    """How often each alert was told, in how many requests, and when one came last."""

    counts: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    last_s: float = 0.0

    def take(self, body: bytes) -> None:
        """Note one request."""
        self.requests += 1
        fresh = [alert["labels"]["n"] for alert in json.loads(body)["alerts"]]
        if any(name not in self.counts for name in fresh):
            self.last_s = time.perf_counter()
        self.counts.update(fresh)


@dataclass(frozen=True)
class Seen:
    """What one contestant took until the last alert came, and how many alerts were lost or came twice."""

    last_s: float
    requests: int
    lost: int
    duplicates: int

    def __str__(self) -> str:
        return f"{self.last_s:.2f} s in {self.requests:,} requests, {self.lost} lost, {self.duplicates} twice"


def rows() -> list[Row]:
    """Measure."""
    return [_row(groups) for groups in GROUPS]


def _row(groups: int) -> Row:
    ours, theirs = _measured(_tocsin, groups), None
    if shutil.which(ALERTMANAGER):
        theirs = _measured(_alertmanager, groups)
    peer = f"Alertmanager {theirs}, ratio {ours.last_s / theirs.last_s:.1f}" if theirs else ""
    return Row(f"{ALERTS:,} alerts at once in {groups:,} groups", str(ours), "none lost", peer)


def _measured(command: Callable[[int, Path, str], Sequence[str]], groups: int) -> Seen:
    with (
        tempfile.TemporaryDirectory() as folder,
        receiver() as (address, arrivals),
        _running(command, Path(folder), ROUTES.format(url=address)) as url,
    ):
        begun_s = time.perf_counter()
        httpx.post(
            f"{url}/api/v2/alerts", json=alerts(groups), trust_env=False, timeout=TIMEOUT_S
        ).raise_for_status()
        while len(arrivals.counts) < ALERTS and time.perf_counter() - begun_s < TIMEOUT_S:
            time.sleep(0.05)
        time.sleep(SETTLE_S)
        lost, extra = ALERTS - len(arrivals.counts), sum(arrivals.counts.values()) - len(arrivals.counts)
        return Seen(arrivals.last_s - begun_s, arrivals.requests, lost, extra)


def alerts(groups: int) -> list[dict[str, object]]:
    """What is posted."""
    return [
        {
            "labels": {"alertname": "Bench", "n": str(number), "group": str(number % groups)},
            "annotations": {"summary": f"number {number} is not well"},
        }
        for number in range(ALERTS)
    ]


@contextlib.contextmanager
def receiver() -> Iterator[tuple[str, Arrivals]]:
    """An HTTP server that keeps connections open and does as little as can be for each request."""
    arrivals = Arrivals()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                arrivals.take(await reader.readexactly(length))
                writer.write(_ANSWER)
        writer.close()

    start = asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    server = asyncio.run_coroutine_threadsafe(start, loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", arrivals
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _tocsin(port: int, folder: Path, routes: str) -> Sequence[str]:
    indented = "".join(f"  {line}\n" for line in routes.strip().splitlines())
    config = folder / "tocsin.yml"
    config.write_text(f"collectors: {{enabled: false}}\nalertmanager:\n{indented}")
    command = [sys.executable, "-m", "tocsin", "up", f"--listen=127.0.0.1:{port}"]
    return [*command, f"--data={folder / 'data'}", f"--config={config}"]


def _alertmanager(port: int, folder: Path, routes: str) -> Sequence[str]:
    config = folder / "alertmanager.yml"
    config.write_text(routes)
    command = [ALERTMANAGER, f"--config.file={config}", f"--storage.path={folder / 'data'}"]
    return [*command, f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]


@contextlib.contextmanager
def _running(command: Callable[[int, Path, str], Sequence[str]], folder: Path, routes: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(port, folder, routes), stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/-/ready", trust_env=False).is_success:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not start; it said: {log.read_text()[-2000:]}")
