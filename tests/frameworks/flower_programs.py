"""Flower's own programs on this machine's loopback interface: a SuperLink, SuperNodes, and a run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.support.ports import free_port

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15


class Federation:
    """Everything is started in a process group of its own and ended by it."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.port = free_port()
        self.home = folder / "home"
        self.home.mkdir()
        connection = f'[superlink.local]\naddress = "127.0.0.1:{self.port}"\ninsecure = true\n'
        (self.home / "config.toml").write_text(f'[superlink]\ndefault = "local"\n\n{connection}')
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "FLWR_HOME": str(self.home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            **environment,
        }
        self.log = folder / "superlink.log"
        self._processes = []

    def __enter__(self):
        options = ["--disable-runtime-dependency-installation", "--database", str(self.folder / "state.db")]
        self._start(
            "flower-superlink", "--host", "127.0.0.1", "--port", str(self.port), *options, log=self.log
        )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            end(process, signal.SIGTERM)

    def add_node(self, number):
        return self._start(
            "flower-supernode",
            *("--superlink", f"127.0.0.1:{self.port}"),
            *("--host", "127.0.0.1", "--port", str(free_port())),
            *("--node-config", f"partition-id={number}"),
            log=self.folder / f"node-{number}.log",
        )

    def run(self, app, **config):
        """Start a run; gives its id."""
        settings = " ".join(f"{name.replace('_', '-')}={value}" for name, value in config.items())
        told = self.flwr("run", str(app), "local", "-c", settings)
        return re.search(r"started run (\d+)", told)[1]

    def flwr(self, *arguments):
        done = subprocess.run(
            [BIN / "flwr", *arguments],
            check=False,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lines(self, run):
        """What the ServerApp of a run has logged as JSON, as far as it reached the SuperLink."""
        shown = self.flwr("log", run, "local", "--show")
        return [json.loads(line) for line in shown.splitlines() if line.startswith("{")]

    def _start(self, program, *arguments, log):
        with log.open("a") as output:
            process = subprocess.Popen(
                [BIN / program, "--insecure", *arguments],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _is_ready(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).status == 200
        return False


def end(process, signal_number):
    """End a program and those that it has started, which live on a while otherwise."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)
