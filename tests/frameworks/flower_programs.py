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
VERSION = tuple(int(part) for part in version("flwr").split(".")[:2])
ONE_PORT = (1, 41)
HOST_AND_PORT = (1, 35)
CONNECTIONS_OF_ITS_OWN = (1, 26)


def at(port):
    return f"127.0.0.1:{port}"


def superlink_options(control, fleet, apps):
    if VERSION >= ONE_PORT:
        return "--host", "127.0.0.1", "--port", str(control), "--disable-runtime-dependency-installation"
    own = ("--control-api-address", at(control), "--fleet-api-address", at(fleet))
    if VERSION >= HOST_AND_PORT:
        listen = ("--host", "127.0.0.1", "--port", str(apps))
        return *own, *listen, "--disable-runtime-dependency-installation"
    return *own, "--serverappio-api-address", at(apps)


def supernode_options(apps):
    if VERSION >= HOST_AND_PORT:
        return "--host", "127.0.0.1", "--port", str(apps)
    return "--clientappio-api-address", at(apps)


class Federation:
    """Everything is started in a process group of its own and ended by it."""

    def __init__(self, folder, app, **environment):
        self.folder = folder
        self.port = free_port()
        self.fleet_port = self.port if VERSION >= ONE_PORT else free_port()
        self.home = folder / "home"
        self.home.mkdir()
        self.app = shutil.copytree(app, folder / app.name)
        self._connect()
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

    def _connect(self):
        """Write down where the SuperLink is: in Flower's home, and before that was possible in the app."""
        where = f'address = "{at(self.port)}"\ninsecure = true\n'
        if VERSION >= CONNECTIONS_OF_ITS_OWN:
            content = f'[superlink]\ndefault = "local"\n\n[superlink.local]\n{where}'
            (self.home / "config.toml").write_text(content)
            self._where = ("local",)
        else:
            with (self.app / "pyproject.toml").open("a") as file:
                file.write(f"\n[tool.flwr.federations.local]\n{where}")
            self._where = (str(self.app), "local")

    def __enter__(self):
        options = superlink_options(self.port, self.fleet_port, free_port())
        options += ("--database", str(self.folder / "state.db"))
        superlink = self._start("flower-superlink", *options, log=self.log)
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
            *("--superlink", at(self.fleet_port)),
            *supernode_options(free_port()),
            *("--node-config", f"partition-id={number}"),
            log=self.folder / f"node-{number}.log",
        )

    def run(self, **config):
        """Start a run; gives its id."""
        settings = " ".join(f"{name.replace('_', '-')}={value}" for name, value in config.items())
        told = self.flwr("run", str(self.app), "local", "-c", settings)
        return re.search(r"started run (\d+)", told)[1]

    def stop(self, run):
        self.flwr("stop", run, *self._where)

    def lines(self, run):
        """What the ServerApp of a run has logged as JSON, as far as it reached the SuperLink."""
        shown = self.flwr("log", run, *self._where, "--show")
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
        for port in {self.port, self.fleet_port}:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True
