"""What one evaluation of 10,000 rules takes, beside Prometheus, and vmalert over VictoriaMetrics.

Half of the rules record and half alert, no two alike, in 100 groups, over a thousand series of
:mod:`benchmarks.promql.data`. CPU is that of all processes of a contestant while it evaluates, so that of
tocsin holds its shipped rules too.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil
import yaml

from benchmarks.promql.data import FAMILIES, History, made_history
from benchmarks.promql.servers import (
    PROGRAMS,
    PROMETHEUS,
    REQUEST_TIMEOUT_S,
    START_TIMEOUT_S,
    STOP_TIMEOUT_S,
    TOCSIN,
    VICTORIA_METRICS,
    Server,
    UnexpectedAnswerError,
)
from benchmarks.table import Row

RULES = 10_000
GROUPS = 100
SERIES = 1000
SCRAPES = 60
INTERVAL_S = 10
ROUNDS = 3
VMALERT = "vmalert"

DURATIONS = {
    TOCSIN: r'tocsin_rule_group_last_duration_seconds{rule_group="bench-\d+"} (\S+)',
    PROMETHEUS: r'prometheus_rule_group_last_duration_seconds{rule_group="[^"]*;bench-\d+"} (\S+)',
    VMALERT: r'vmalert_iteration_duration_seconds{group="bench-\d+"[^}]*quantile="0.5"} (\S+)',
}
"""How each tells what the evaluation of a group took."""


@dataclass(frozen=True)
class Seen:
    """One contestant: the durations of all groups together, and the CPU of its processes, for one round."""

    round_s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.round_s:.2f} s, CPU {self.cpu_s:.2f} s"


def rule_groups(count: int = RULES) -> dict[str, object]:
    """The content of the rule file."""
    hosts = SERIES // 100
    rules = [_rule(number, f"host-{number % hosts:04d}:9100") for number in range(count)]
    size = count // GROUPS
    groups = [
        {
            "name": f"bench-{number}",
            "interval": f"{INTERVAL_S}s",
            "rules": rules[number * size : (number + 1) * size],
        }
        for number in range(GROUPS)
    ]
    return {"groups": groups}


def _rule(number: int, host: str) -> dict[str, object]:
    metric = FAMILIES[number // 2 % len(FAMILIES)].name
    selector = f'{metric}{{instance="{host}"}}'
    if number % 2 == 0:
        values = f"rate({selector}[5m])" if metric.endswith("_total") else selector
        return {
            "record": f"bench:{number}",
            "expr": f"sum by (job) ({values} * {number + 1})",
            "labels": {"host": host},
        }
    return {
        "alert": f"Bench{number}",
        # One in twenty fires.
        "expr": f"{selector} {'>=' if number % 20 == 1 else '<'} {-number}",
        "for": "1m",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "{{ $labels.instance }} is at {{ $value | humanize }}"},
    }


def rows() -> list[Row]:
    """Measure."""
    history = made_history(SERIES, SCRAPES, round(time.time() * 1000))
    missing = [name for name in (*PROGRAMS.values(), VMALERT) if shutil.which(name) is None]
    contestants = [TOCSIN] if missing else [TOCSIN, PROMETHEUS, VMALERT]
    with tempfile.TemporaryDirectory() as folder:
        seen = {name: _measured(name, Path(folder) / name, history) for name in contestants}
    peers = ", ".join(f"{name} {seen[name]}" for name in contestants[1:])
    return [Row(f"one round of {RULES:,} rules", str(seen[TOCSIN]), peer=peers)]


def _measured(name: str, folder: Path, history: History) -> Seen:
    folder.mkdir(parents=True)
    rules = folder / "rules.yml"
    rules.write_text(yaml.safe_dump(rule_groups(), sort_keys=False))
    with contextlib.ExitStack() as stack:
        if name == VMALERT:
            store = stack.enter_context(_running(VICTORIA_METRICS, folder, _victoria_metrics))
            _fill(store, history)
            told = stack.enter_context(
                _running(VMALERT, folder, lambda port: _vmalert(port, store.connection.port, rules))
            )
            processes = [store.process.pid, told.process.pid]
        else:
            make = {TOCSIN: _tocsin, PROMETHEUS: _prometheus}[name]
            told = stack.enter_context(_running(name, folder, lambda port: make(port, folder, rules)))
            _fill(told, history)
            processes = [told.process.pid]
        time.sleep(2 * INTERVAL_S)  # the first round of every group, and what is filled once
        before_s = _cpu_s(processes)
        time.sleep(ROUNDS * INTERVAL_S)
        cpu_s = (_cpu_s(processes) - before_s) / ROUNDS
        text = told.get("/metrics").decode()
    durations = [float(value) for value in re.findall(DURATIONS[name], text)]
    if len(durations) != GROUPS:
        raise UnexpectedAnswerError(f"{name} tells of {len(durations)} groups, not of {GROUPS}")
    return Seen(sum(durations), cpu_s)


def _fill(server: Server, history: History) -> None:
    for body in history.requests():
        server.write(body)


def _cpu_s(processes: Sequence[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in processes]
    return float(sum(each.user + each.system for each in times))


# The contestants. Those of the PromQL benchmark have no rules, so they are started here.


def _tocsin(port: int, folder: Path, rules: Path) -> list[str]:
    config = folder / "tocsin.yml"
    config.write_text(yaml.safe_dump({"collectors": {"enabled": False}, "rule_files": [str(rules)]}))
    return [
        *(sys.executable, "-m", "tocsin", "up", f"--listen=127.0.0.1:{port}"),
        f"--data={folder / 'data'}",
        f"--config={config}",
    ]


def _prometheus(port: int, folder: Path, rules: Path) -> list[str]:
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"rule_files": [str(rules)]}))
    return [
        PROGRAMS[PROMETHEUS],
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]


def _victoria_metrics(port: int) -> list[str]:
    return [PROGRAMS[VICTORIA_METRICS], f"-httpListenAddr=127.0.0.1:{port}", "-storageDataPath=vm-data"]


def _vmalert(port: int, store_port: int, rules: Path) -> list[str]:
    store = f"http://127.0.0.1:{store_port}"
    return [
        *(VMALERT, f"-httpListenAddr=127.0.0.1:{port}", f"-rule={rules}", f"-notifier.url={store}"),
        *(f"-datasource.url={store}", f"-remoteWrite.url={store}", f"-remoteRead.url={store}"),
    ]


@contextlib.contextmanager
def _running(name: str, folder: Path, command: Callable[[int], list[str]]) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(port), stdout=output, stderr=output, cwd=folder)
    server = Server(name, process, HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S))
    try:
        _wait_until_ready(server, log)
        yield server
    finally:
        server.connection.close()
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
            server.get("/-/ready" if server.name in {TOCSIN, PROMETHEUS} else "/health")
            return
        server.connection.close()
        time.sleep(0.1)
    raise UnexpectedAnswerError(f"{server.name} did not start; it said: {log.read_text()[-2000:]}")
