"""Hours of training, simulated: a step, a turn of the sender, a state, and memory that stays as it was."""

from __future__ import annotations

import gc
import math
import random
import resource
import sys
import time
from pathlib import Path

import pytest

from tocsin.sdk import TrainingMonitor
from tocsin.sdk import sender as sender_module
from tocsin.sdk import training as training_module
from tocsin.sdk.outlets import run_file as run_file_module

STEPS_PER_TURN = 8
"""32 steps a second: more than are sent one by one."""

STEPS_PER_HOUR = 4 * STEPS_PER_TURN * 3600
LIMIT_MB = 8
SPIKE, SPIKES_EVERY = 3_000, 70_000
NS = 1_000_000_000
LONG = [pytest.mark.timeout(1800)]


class Clock:
    """Time for the monitor and its sender, which moves when the test says so."""

    def __init__(self):
        self.now_ns = 1_700_000_000 * NS

    def time_ns(self):
        return self.now_ns

    def monotonic(self):
        return self.now_ns / NS

    def gmtime(self, *_):
        return time.gmtime(self.now_ns // NS)

    strftime = staticmethod(time.strftime)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training_module, "time_ns", clock.time_ns)
    monkeypatch.setattr(sender_module, "time", clock)
    monkeypatch.setattr(run_file_module, "time", clock)
    return clock


def values(number, noise):
    loss = 2 / (1 + number / 20_000) + noise.gauss(0, 0.02)
    if number % 50_000 == 40_000:
        loss = math.nan
    if number % SPIKES_EVERY == SPIKE:
        loss = 500.0
    return {"loss": loss, "lr": 1e-3, "grad_norm": abs(noise.gauss(1, 0.1)), "samples": 32, "accuracy": 0.5}


def simulate(run, sender, clock, hours):
    """Train for so long; yields the objects and the MB in use, sixteen times."""
    noise = random.Random(7)
    number = 0
    turns = int(hours * 4 * 3600)
    for _ in range(16):
        for _ in range(turns // 16):
            for _ in range(STEPS_PER_TURN):
                number += 1
                clock.now_ns += NS // (4 * STEPS_PER_TURN)
                run.step(**values(number, noise))
            if number % 100_000 < STEPS_PER_TURN:
                run.evaluate(loss=1.0)
                run.checkpoint(size_bytes=1000)
            sender._turn()
        gc.collect()
        yield sys.getallocatedblocks(), resident_mb()


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@pytest.mark.parametrize("place", ["file", "nowhere"])
@pytest.mark.parametrize(
    "hours", [0.25, pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_memory_is_flat(hours, place, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(sender_module.Sender, "start", lambda _: None)
    monkeypatch.setattr(sender_module.Sender, "close", lambda *_: None)
    monkeypatch.setenv("TOCSIN_SUMMARY", "0")
    if place == "file":
        monkeypatch.setenv("TOCSIN_OFFLINE", str(tmp_path))
        monkeypatch.setenv("TOCSIN_OFFLINE_MB", str(LIMIT_MB))
    steps = int(hours * STEPS_PER_HOUR)
    with TrainingMonitor("soak", total_steps=steps) as run:
        used = list(simulate(run, run._sender, clock, hours))
        total = {each.name: each.value for each in run._state(clock.now_ns)}
    print(f"{place}, {hours} h:", *(f"{blocks} objects {mb:.1f} MB" for blocks, mb in used), sep="\n  ")
    assert total["training_samples_total"] == 32 * steps
    # Everything that hours of steps can fill is full after the first half.
    later = used[len(used) // 2 :]
    assert max(blocks for blocks, _ in later) < 1.05 * later[0][0]
    assert max(mb for _, mb in later) < later[0][1] + 10
    if place == "file":
        (path,) = tmp_path.glob("*.jsonl")
        assert LIMIT_MB / 2 < path.stat().st_size / 1e6 < LIMIT_MB
        spikes = range(SPIKE, steps, SPIKES_EVERY)
        assert path.read_text().count('"training_loss":500.0') == len(spikes)
