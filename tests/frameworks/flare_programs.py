"""NVIDIA FLARE's server and sites as processes on this machine's loopback interface, and jobs for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.frameworks.programs import end
from tests.support.ports import free_port
from tocsin.integrations.nvflare import site_resources

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 90
SERVER = "server"


class ProofOfConcept:
    """A federation as ``nvflare poc prepare`` makes it; every site has what tocsin's ``render`` prints."""

    def __init__(self, folder, sites, statsd_port, **environment):
        self.folder, self.sites = folder / "poc", sites
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),  # where FLARE notes which federation is meant
            "NVFLARE_POC_WORKSPACE": str(self.folder),
            **environment,
        }
        self.nvflare("poc", "prepare", "-n", str(len(sites)), "--force")
        self.kits = self.folder / "example_project" / "prod_00"
        self._move_to(free_port())
        for site in (SERVER, *sites):
            self._configure(site, statsd_port)
        self._processes = {}

    def __enter__(self):
        for site in (SERVER, *self.sites):
            self._start(site)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert time.monotonic() < deadline_s, self.log(SERVER)
            time.sleep(0.5)
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes.values()):
            end(process, signal.SIGTERM)

    def submit(self, job):
        """Hand a job in; gives its id."""
        return self.told("job", "submit", "-j", str(job))["job_id"]

    def told(self, *arguments):
        """What a command says as JSON."""
        written = self.nvflare("--format", "json", *arguments)
        return json.loads(written[written.index("{") :])["data"]

    def nvflare(self, *arguments):
        done = subprocess.run(
            [BIN / "nvflare", *arguments],
            check=False,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, site):
        return (self.folder / f"{site}.log").read_text()

    def _start(self, site):
        with (self.folder / f"{site}.log").open("a") as output:
            self._processes[site] = subprocess.Popen(
                ["bash", self.kits / site / "startup" / "sub_start.sh", "--once"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _is_ready(self):
        for site, process in self._processes.items():
            assert process.poll() is None, self.log(site)
        return all(f"New client {site}@" in self.log(SERVER) for site in self.sites)

    def _move_to(self, port):
        """From port 8002 of every interface to another of the loopback interface."""
        for file in self.kits.glob("*/startup/fed_*.json"):
            content = file.read_text().replace('"server:8002"', '"127.0.0.1:8002"')
            file.write_text(content.replace("8002", str(port)))

    def _configure(self, site, statsd_port):
        """As docs/nvflare.md says: components and allowed classes are added to those that are there."""
        local = self.kits / site / "local"
        file = local / "resources.json"
        content = json.loads((file if file.exists() else local / "resources.json.default").read_text())
        added = site_resources(site, port=statsd_port, is_server=site == SERVER)
        for key, entries in added.items():
            content[key] = [*content.get(key, []), *entries]
        file.write_text(json.dumps(content))
