"""What a day of samples takes on disk, beside VictoriaMetrics; and what questions about it take.

A thousand series of :mod:`benchmarks.promql.data`, scraped each 15 s for a day that ended at midnight.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.promql.data import History, made_history
from benchmarks.promql.servers import VICTORIA_METRICS, missing_program, running_server
from benchmarks.table import Row
from tocsin.model import SampleBatch
from tocsin.promql import Engine
from tocsin.storage import DuckDBStorage

SERIES = 1000
SCRAPES = 5760
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SCRAPES_A_BATCH = 240
QUERIES = (
    ("a day of one series", 'node_load1{instance="host-0003:9100"}', 60_000),
    ("sum(rate()) of a fifth, by 5 min", "sum(rate(node_cpu_seconds_total[5m]))", 300_000),
    ("sum(rate()) of a fifth, by 1 min", "sum(rate(node_cpu_seconds_total[1m]))", 60_000),
)


class _SteppedClock:
    """The time that the samples have come to."""

    def __init__(self) -> None:
        self.time_ms = 0

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(duration_s)


def rows() -> list[Row]:
    """Measure."""
    midnight_ms = round(time.time() * 1000) // DAY_MS * DAY_MS
    history = made_history(SERIES, SCRAPES, midnight_ms + 45_000)
    with tempfile.TemporaryDirectory() as folder:
        peer = _victoria_metrics_bytes(history, Path(folder) / "peer") if not missing_program() else None
        return asyncio.run(_measured(history, Path(folder), midnight_ms, peer))


def _victoria_metrics_bytes(history: History, folder: Path) -> float:
    """What VictoriaMetrics keeps a sample in, after it has merged everything."""
    with running_server(VICTORIA_METRICS, folder) as server:
        for body in history.requests():
            server.write(body)
        for path in ("/internal/force_flush", "/internal/force_merge"):
            server.get(path)
        sizes = [0, _size(folder / "data" / "data")]
        while not sizes[-1] or sizes[-1] != sizes[-2]:
            time.sleep(3)
            sizes.append(_size(folder / "data" / "data"))
    return sizes[-1] / history.values.size


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def _measured(history: History, folder: Path, midnight_ms: int, peer: float | None) -> list[Row]:
    clock = _SteppedClock()
    clock.time_ms = int(history.times_ms[0])
    store = DuckDBStorage(folder / "tocsin", clock=clock)
    try:
        for batch in _batches(history):
            await store.append(batch)
            clock.time_ms = int(batch.timestamps_ms[-1])
            await store.keep_up()
        clock.time_ms = midnight_ms + 2 * HOUR_MS
        started_s = time.perf_counter()
        await store.keep_up()
        took_s = time.perf_counter() - started_s
        return [*_sizes(store, peer, took_s), *_answers(store, midnight_ms)]
    finally:
        await store.close()


def _batches(history: History) -> Iterator[SampleBatch]:
    count = len(history.series)
    for first in range(0, len(history.times_ms), SCRAPES_A_BATCH):
        times_ms = history.times_ms[first : first + SCRAPES_A_BATCH]
        index = np.tile(np.arange(count), len(times_ms))
        values = history.values[first : first + SCRAPES_A_BATCH].ravel()
        yield SampleBatch(history.series, index, np.repeat(times_ms, count), values)


def _sizes(store: DuckDBStorage, peer: float | None, took_s: float) -> Iterator[Row]:
    tiers = {usage.tier.name: usage for usage in store.usage().tiers}
    seen = "" if peer is None else f"VictoriaMetrics {peer:.2f}"
    yield Row("bytes a sample after compaction", f"{tiers['raw'].bytes_a_row:.2f}", "≤ 1.5", seen)
    for name in ("5m", "1h"):
        yield Row(f"bytes a summary of {name}", f"{tiers[name].bytes_a_row:.1f}")
    yield Row("merging the day into one block", f"{took_s:.1f} s")


def _answers(store: DuckDBStorage, midnight_ms: int) -> Iterator[Row]:
    """What is answered from the disk: from samples, and where these are exact from summaries."""
    engines = {"samples": Engine(store), "summaries": Engine(store, summaries=store.summaries)}
    for name, query, step_ms in QUERIES:
        start_ms, end_ms = midnight_ms - 22 * HOUR_MS, midnight_ms - HOUR_MS
        found = []
        for source, engine in engines.items():
            started_s = time.perf_counter()
            engine.range(query, start_ms, end_ms, step_ms)
            found.append(f"{(time.perf_counter() - started_s) * 1000:.0f} ms ({source})")
        yield Row(name, ", ".join(found))
