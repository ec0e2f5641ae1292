"""Flower's own programs on this machine's loopback interface: a SuperLink, SuperNodes, and a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tests.frameworks.programs import end
from tests.support.ports import free_port

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 60
CONNECTION = 'address = "127.0.0.1:{port}"\ninsecure = true\n'
VERSION = tuple(int(part) for part in version("flwr").split(".")[:2])


class OnePort:
    """From 1.41 on everything goes through one port, and connections stand in Flower's home."""

    def __init__(self, home):
        self.port = self.fleet_port = free_port()
        connection = f"[superlink.local]\n{CONNECTION.format(port=self.port)}"
        (home / "config.toml").write_text(f'[superlink]\ndefault = "local"\n\n{connection}')
        self.superlink = ("--host", "127.0.0.1", "--port", str(self.port))
        self.superlink += ("--disable-runtime-dependency-installation",)

    def node(self):
        return "--host", "127.0.0.1", "--port", str(free_port())

    def where(self, app):
        return ("local",)

    def prepare(self, app):
        pass


class PortForEach:
    """Before, each of Flower's interfaces had a port, and connections stood in the app."""

    def __init__(self, home):
        self.port, self.fleet_port, apps_port = free_port(), free_port(), free_port()
        self.superlink = ("--control-api-address", f"127.0.0.1:{self.port}")
        self.superlink += ("--fleet-api-address", f"127.0.0.1:{self.fleet_port}")
        self.superlink += ("--serverappio-api-address", f"127.0.0.1:{apps_port}")

    def node(self):
        return "--clientappio-api-address", f"127.0.0.1:{free_port()}"

    def where(self, app):
        return str(app), "local"

    def prepare(self, app):
        with (app / "pyproject.toml").open("a") as file:
            file.write(f"\n[tool.flwr.federations.local]\n{CONNECTION.format(port=self.port)}")


class Federation:
    """Everything is started in a process group of its own and ended by it."""

    def __init__(self, folder, app, **environment):
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.ports = OnePort(self.home) if VERSION >= (1, 41) else PortForEach(self.home)
        self.app = shutil.copytree(app, folder / app.name)
        self.ports.prepare(self.app)
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
        database = ("--database", str(self.folder / "state.db"))
        superlink = self._start("flower-superlink", *self.ports.superlink, *database, log=self.log)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert superlink.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            end(process, signal.SIGTERM)

    def add_node(self, number):
        return self._start(
            "flower-supernode",
            *("--superlink", f"127.0.0.1:{self.ports.fleet_port}"),
            *self.ports.node(),
            *("--node-config", f"partition-id={number}"),
            log=self.folder / f"node-{number}.log",
        )

    def run(self, **config):
        """Start a run; gives its id."""
        settings = " ".join(f"{name.replace('_', '-')}={value}" for name, value in config.items())
        told = self.flwr("run", str(self.app), "local", "-c", settings)
        return re.search(r"started run (\d+)", told)[1]

    def stop(self, run):
        self.flwr("stop", run, *self.ports.where(self.app))

    def lines(self, run):
        """What the ServerApp of a run has logged as JSON, as far as it reached the SuperLink."""
        shown = self.flwr("log", run, *self.ports.where(self.app), "--show")
        return [json.loads(line) for line in shown.splitlines() if line.startswith("{")]

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
        """Whether both ports that others come to are open."""
        for port in {self.ports.port, self.ports.fleet_port}:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True
