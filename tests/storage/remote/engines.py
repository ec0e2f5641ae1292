"""Real engines to run on: each a process on a free port, which may be stopped and started again."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from tests.support.peers import require_peer
from tests.support.ports import free_port
from tocsin.receive import encode_write_request
from tocsin.storage.remote import Connection, RemoteStorage

PROMETHEUS = "prometheus"
VICTORIA_METRICS = "victoria-metrics"
ENGINES = (PROMETHEUS, VICTORIA_METRICS)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0


class RunningEngine:
    """A process with a folder of its own; it listens on the same port after a new start."""

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        self.program = program
        self._options = options
        self._path = require_peer(program)
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    @property
    def write_url(self) -> str:
        return f"{self.url}/api/v1/write"

    def connection(self, timeout_s: float = 10.0) -> Connection:
        return Connection(self.write_url, self.url, ssl.create_default_context(), timeout_s=timeout_s)

    def storage(self, timeout_s: float = 10.0) -> RemoteStorage:
        return RemoteStorage(self.connection(timeout_s), encode_write_request)

    def config(self, timeout: str = "10s") -> str:
        """The section of a configuration that runs tocsin on it."""
        return (
            f"storage: {{type: prometheus, write_url: '{self.write_url}', query_url: '{self.url}', "
            f"timeout: {timeout}}}\n"
        )

    def show(self) -> None:
        """Let queries see what was written: VictoriaMetrics takes some seconds on its own."""
        if self.program == VICTORIA_METRICS:
            self._http.get("/internal/force_flush").raise_for_status()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._command(), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
        )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        path = "/-/ready" if self.program == PROMETHEUS else "/health"
        while time.monotonic() < deadline_s:
            assert self._process.poll() is None, f"{self.program} ended while starting"
            with contextlib.suppress(httpx.TransportError):
                if self._http.get(path).status_code != 503:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.program} was not ready within {START_TIMEOUT_S:g} s")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        self.stop()
        self._http.close()

    def _command(self) -> Sequence[str]:
        data = self._folder / "data"
        if self.program == VICTORIA_METRICS:
            return (
                self._path,
                f"-httpListenAddr=127.0.0.1:{self.port}",
                f"-storageDataPath={data}",
                "-retentionPeriod=100y",
            )
        config = self._folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1h}\n")
        return (
            self._path,
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--storage.tsdb.retention.time=100y",
        )


@contextlib.contextmanager
def running_engine(program: str, folder: Path, *options: str) -> Iterator[RunningEngine]:
    """Start one with an empty store and more options, and end it."""
    engine = RunningEngine(program, folder, *options)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
