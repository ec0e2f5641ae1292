"""Sudden death while the store takes samples, seals, compacts, removes what is too old and is backed up."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.storage import crashing
from tests.support.clock import ManualClock
from tests.support.stores import bits, samples_of
from tocsin.promql import Engine
from tocsin.storage import DuckDBStorage
from tocsin.storage.catalogue import Reach, read_reaches
from tocsin.storage.tiers import HOUR_MS

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("TOCSIN_TEST_CRASHES", "4"))


def run_and_kill(folder: Path, step: int, seconds: float) -> int:
    """Let a process work for a while and kill it; returns the last step that it said is stored."""
    command = [sys.executable, "-m", "tests.storage.crashing", str(folder), str(step)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, "the store did not start"
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    # The last line may be cut off.
    lines = (first + rest).splitlines(keepends=True)
    return max(int(line) for line in lines if line.endswith("\n"))


def expected(steps: range) -> dict:
    found: dict = {}
    for step in steps:
        for labels, time_ms, value in crashing.samples_of_step(step):
            found.setdefault(labels, {})[time_ms] = value
    return found


def hourly(samples: dict, function: str) -> dict:
    compute = {"count": len, "sum": sum, "max": max}[function]
    hours: dict = {}
    for labels, values in samples.items():
        for time_ms, value in values.items():
            hours.setdefault((labels.get("number"), -(-time_ms // HOUR_MS)), []).append(value)
    return {key: compute(values) for key, values in hours.items()}


async def check(folder: Path, last_step: int) -> None:
    """Everything up to a step is there once: the newest as samples, all of it in the summaries."""
    end_ms = crashing.end_of(last_step)
    store = DuckDBStorage(folder, crashing.SETTINGS, ManualClock(end_ms))
    await store.keep_up()
    kept = expected(range(last_step + 1))
    with store._reader.snapshot() as cursor:
        start_ms = read_reaches(cursor).get(0, Reach()).start_ms
    newest = {
        labels: {time_ms: bits(value) for time_ms, value in samples.items() if time_ms > start_ms}
        for labels, samples in kept.items()
    }
    assert samples_of(store.select([], start_ms + 1, end_ms)) == newest
    engine = Engine(store, summaries=store.summaries)
    first_ms, last_ms = crashing.START_MS + HOUR_MS, end_ms // HOUR_MS * HOUR_MS
    # On a slow machine the first kill may come before an hour is full.
    functions = ("count", "sum", "max") if first_ms <= last_ms else ()
    for function in functions:
        result = engine.range(f"{function}_over_time(x[1h])", first_ms, last_ms, HOUR_MS)
        found = {
            (labels.get("number"), int(time_ms) // HOUR_MS): value
            for labels, times_ms, values in result.series()
            for time_ms, value in zip(times_ms, values, strict=True)
        }
        whole = {key: value for key, value in hourly(kept, function).items() if key[1] * HOUR_MS <= last_ms}
        assert found == pytest.approx(whole)
    await store.close()


@pytest.mark.timeout(1200)
def test_what_was_acknowledged_is_there_once_whenever_the_process_dies(tmp_path):
    pause = random.Random()
    step = -1
    for _ in range(ROUNDS):
        step = run_and_kill(tmp_path, step + 1, pause.uniform(0.0, 1.5))
        if pause.random() < 0.3:
            asyncio.run(check(tmp_path, step))
    asyncio.run(check(tmp_path, step))
    print(f"{ROUNDS} kills, {step + 1} steps of ten minutes, nothing missing")
