"""How long after a threshold is crossed a webhook arrives; but for one short rule all is at its default.

Each try is a series that was below the threshold and is pushed above it, at a time that has nothing to do
with the second in which the rule is evaluated.
"""

from __future__ import annotations

import contextlib
import json
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, TypeAlias

import httpx
import numpy as np

from benchmarks.table import Row
from tocsin.model import Labels, SampleBatch
from tocsin.receive import encode_write_request

TRIES = 100
WARM_UP_TRIES = 3
TIMEOUT_S = 30.0
BUDGET = "≤ 2 s"

CONFIG: Final = """
alerts:
  channels: {{webhook: {{url: "{url}"}}}}
  rules: {{loaded: {{condition: bench_load > 0.9, severity: critical}}}}
"""
WRITE_HEADERS: Final = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}

Push: TypeAlias = Callable[[httpx.Client, dict[str, float]], None]
"""Sends a value for each of some instances."""


class _Receiver(ThreadingHTTPServer):
    """Takes webhooks, and notes when the first about each instance arrives."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: queue.Queue[tuple[str, float]] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        arrived_s = time.perf_counter()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        for alert in body["alerts"]:
            if alert["labels"]["alertname"] == "loaded":
                self.server.arrived.put((alert["labels"]["instance"], arrived_s))

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def rows() -> list[Row]:
    """Measure."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _receiver() as receiver,
        _running_tocsin(Path(folder), receiver) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        return [
            _row("the text import", latencies_s(client, receiver, push_text, "text")),
            _row("remote write", latencies_s(client, receiver, push_remote_write, "remote")),
        ]


def _row(way: str, seen_s: Sequence[float]) -> Row:
    middle, high = np.quantile(seen_s, (0.5, 0.99))
    shown = f"p50 {middle:.2f} s, p99 {high:.2f} s, longest {max(seen_s):.2f} s ({len(seen_s)} tries)"
    return Row(f"threshold crossed by {way} until the webhook", shown, BUDGET)


def latencies_s(client: httpx.Client, receiver: _Receiver, push: Push, prefix: str) -> list[float]:
    """How long each try took, from the push to the arrival."""
    instances = [f"{prefix}-{number}" for number in range(WARM_UP_TRIES + TRIES)]
    push(client, dict.fromkeys(instances, 0.5))
    moments, seen_s = random.Random(1), []
    for instance in instances:
        time.sleep(moments.random())
        begun_s = time.perf_counter()
        push(client, {instance: 0.95})
        while True:
            arrived, arrived_s = receiver.arrived.get(timeout=TIMEOUT_S)
            if arrived == instance:
                break
        seen_s.append(arrived_s - begun_s)
    return seen_s[WARM_UP_TRIES:]


def push_text(client: httpx.Client, values: dict[str, float]) -> None:
    """By Prometheus' text format."""
    text = "".join(f'bench_load{{instance="{instance}"}} {value}\n' for instance, value in values.items())
    client.post("/api/v1/import/prometheus", content=text).raise_for_status()


def push_remote_write(client: httpx.Client, values: dict[str, float]) -> None:
    """By remote write."""
    series = {Labels({"__name__": "bench_load", "instance": name}): value for name, value in values.items()}
    body = encode_write_request(SampleBatch.at(time.time_ns() // 1_000_000, series))
    client.post("/api/v1/write", content=body, headers=WRITE_HEADERS).raise_for_status()


@contextlib.contextmanager
def _receiver() -> Iterator[_Receiver]:
    with _Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@contextlib.contextmanager
def _running_tocsin(folder: Path, receiver: _Receiver) -> Iterator[str]:
    """The URL of a ``tocsin up`` that tells the receiver."""
    config = folder / "tocsin.yml"
    config.write_text(CONFIG.format(url=f"http://127.0.0.1:{receiver.server_port}/"))
    command = [sys.executable, "-u", "-m", "tocsin", "up", "--listen", "127.0.0.1:0"]
    command += ["--data", str(folder / "data"), "--config", str(config)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready, (folder / "log").read_text()
            yield ready.split()[-1].rstrip("/")
        finally:
            process.terminate()
            process.communicate()
