"""The three contestants, each a process of its own on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 300.0
TOCSIN = "tocsin"
PROMETHEUS = "Prometheus"
VICTORIA_METRICS = "VictoriaMetrics"
PROGRAMS = {PROMETHEUS: "prometheus", VICTORIA_METRICS: "victoria-metrics"}
WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class UnexpectedAnswerError(Exception):
    """A server did not start, or answered otherwise than it should."""


@dataclass(frozen=True)
class Server:
    """One contestant, spoken to over one connection that is kept alive."""

    name: str
    process: subprocess.Popen[bytes]
    connection: http.client.HTTPConnection

    def get(self, path: str, parameters: Mapping[str, object] | None = None) -> bytes:
        """The whole body of an answer; raises UnexpectedAnswerError unless the status is one of success."""
        return self._exchange("GET", f"{path}?{urlencode(parameters)}" if parameters else path)

    def write(self, body: bytes) -> None:
        """Send a request of remote write."""
        self._exchange("POST", "/api/v1/write", body, WRITE_HEADERS)

    def another_connection(self) -> Server:
        """The same server for another thread."""
        return Server(self.name, self.process, _connection(self.connection.port))

    @property
    def resident_mib(self) -> float:
        """The memory that it holds now."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    def _exchange(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        try:
            self.connection.request(method, target, body, dict(headers or {}))
            answer = self.connection.getresponse()
        except ConnectionError:
            # A server may close a connection on which nothing was asked for some seconds.
            self.connection.close()
            self.connection.request(method, target, body, dict(headers or {}))
            answer = self.connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise UnexpectedAnswerError(
                f"{self.name} answered {answer.status} to {target}: {content[:500]!r}"
            )
        return content


def missing_program() -> str | None:
    """What to install before anything can be measured, in one sentence; None when all is there."""
    for program in PROGRAMS.values():
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install {program}"
    return None


@contextlib.contextmanager
def running_servers(folder: Path) -> Iterator[list[Server]]:
    """All three, with their data below ``folder``; they end with the block."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running_server(name, folder / name)) for name in COMMANDS]


def _tocsin(folder: Path, port: int) -> Sequence[str]:
    config = folder / "tocsin.yml"
    config.write_text("collectors: {enabled: false}\n")
    return (
        *(sys.executable, "-m", "tocsin", "up"),
        f"--listen=127.0.0.1:{port}",
        f"--data={folder / 'data'}",
        f"--config={config}",
    )


def _prometheus(folder: Path, port: int) -> Sequence[str]:
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    return (
        PROGRAMS[PROMETHEUS],
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    )


def _victoria_metrics(folder: Path, port: int) -> Sequence[str]:
    return (
        PROGRAMS[VICTORIA_METRICS],
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'data'}",
        "-search.disableCache",
    )


COMMANDS: Mapping[str, Callable[[Path, int], Sequence[str]]] = {
    TOCSIN: _tocsin,
    PROMETHEUS: _prometheus,
    VICTORIA_METRICS: _victoria_metrics,
}


@contextlib.contextmanager
def running_server(name: str, folder: Path) -> Iterator[Server]:
    """One of them, with its data below ``folder``; it ends with the block."""
    folder.mkdir(parents=True)
    port = _free_port()
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(COMMANDS[name](folder, port), stdout=output, stderr=output, cwd=folder)
    try:
        server = Server(name, process, _connection(port))
        _wait_until_ready(server, log)
        yield server
        server.connection.close()
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(server: Server, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and server.process.poll() is None:
        with contextlib.suppress(OSError, UnexpectedAnswerError):
            server.get("/-/ready" if server.name != VICTORIA_METRICS else "/health")
            return
        server.connection.close()
        time.sleep(0.05)
    raise UnexpectedAnswerError(f"{server.name} did not start; it said: {log.read_text()[-2000:]}")


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
