"""A process that stores samples in quick motion until it is killed; run by test_crash.

Each step brings the samples of ten minutes and then does all the upkeep that is due: sealing, removing and
compacting. Every other step takes a backup as well. What is stored it says on its standard output.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from tests.support.clock import ManualClock
from tocsin.model import Labels, SampleBatch
from tocsin.storage import DuckDBStorage, StorageSettings
from tocsin.storage.snapshot import SNAPSHOTS_NAME
from tocsin.storage.tiers import DAY_MS, HOUR_MS

START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS
STEP_MS = 600_000
INTERVAL_MS = 20_000
SETTINGS = StorageSettings(
    hot_ms=HOUR_MS, retention_ms=3 * HOUR_MS, summaries=((300_000, 12 * HOUR_MS), (HOUR_MS, 90 * DAY_MS))
)
SERIES = [Labels({"__name__": "x", "number": str(number)}) for number in range(5)]


def samples_of_step(step: int) -> list[tuple[Labels, int, float]]:
    first_ms = START_MS + step * STEP_MS
    times_ms = range(first_ms + INTERVAL_MS, first_ms + STEP_MS + 1, INTERVAL_MS)
    return [
        (labels, time_ms, float(number * 1000 + (time_ms // INTERVAL_MS) % 997))
        for time_ms in times_ms
        for number, labels in enumerate(SERIES)
    ]


def end_of(step: int) -> int:
    """The time when a step is over."""
    return START_MS + (step + 1) * STEP_MS


async def run(folder: Path, step: int) -> None:
    clock = ManualClock(end_of(step))
    store = DuckDBStorage(folder, SETTINGS, clock)
    while True:
        await store.append(SampleBatch.from_samples(samples_of_step(step)))
        print(step, flush=True)
        await store.keep_up()
        if step % 2:
            copy = folder / SNAPSHOTS_NAME / str(step)
            await store.snapshot(copy)
            shutil.rmtree(copy)
        step += 1
        await clock.advance(STEP_MS / 1000)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
