"""A real ``tocsin up`` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.ports import free_port

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


class RunningTocsin:
    """A process, its URL, and what it printed."""

    def __init__(self, folder: Path, config: str = "", *, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "tocsin.log"
        arguments = ["--listen", f"127.0.0.1:{self.port}", "--data", str(self.data)]
        if config:
            config_file = folder / "tocsin.yml"
            config_file.write_text(config)
            arguments += ["--config", str(config_file)]
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "up", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"tocsin ended with {self.process.returncode}:\n{self.output()}")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"tocsin was not ready after {START_TIMEOUT_S:g} s:\n{self.output()}")

    def output(self) -> str:
        return self._log.read_text()

    def query(self, expression: str) -> list[dict]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["result"]

    def stop(self) -> int:
        """End it as a service manager would; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)


@contextlib.contextmanager
def running_tocsin(folder: Path, config: str = "", **options: dict[str, str]) -> Iterator[RunningTocsin]:
    """Start one, wait until it is ready, and stop it at the end."""
    tocsin = RunningTocsin(folder, config, **options)
    try:
        tocsin.wait_until_ready()
        yield tocsin
    finally:
        tocsin.stop()
