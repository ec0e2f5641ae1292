"""How long a small query and a request of remote write take while a heavy query runs over and over."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.promql.data import INTERVAL_MS, History
from benchmarks.promql.measure import Case
from benchmarks.promql.queries import QUERIES
from benchmarks.promql.servers import Server

DURATION_S = 6.0
PAUSE_S = 0.02
PERCENTILE = 99

SMALL = "one series"
HEAVY = "sum by (rate()), a fifth of all"


@dataclass(frozen=True)
class Latencies:
    """The 99th percentiles, in milliseconds."""

    query_ms: float
    write_ms: float


def latencies_while_busy(history: History, server: Server) -> Latencies:
    """Ask and write by turns, with a pause in between; the writes go on where the history ends."""
    small, heavy = (_case(title, history) for title in (SMALL, HEAVY))
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(_repeat, heavy, server.another_connection(), ended)
        try:
            latencies = _latencies(small, _later(history), server)
        finally:
            ended.set()
        load.result()
    return latencies


def _latencies(small: Case, history: History, server: Server) -> Latencies:
    queries_ms: list[float] = []
    writes_ms: list[float] = []
    end_s = time.monotonic() + DURATION_S
    for body in history.requests():
        queries_ms.append(_duration_ms(partial(small.ask, server)))
        writes_ms.append(_duration_ms(partial(server.write, body)))
        if time.monotonic() > end_s:
            break
        time.sleep(PAUSE_S)
    return Latencies(*(float(np.percentile(times, PERCENTILE)) for times in (queries_ms, writes_ms)))


def _case(title: str, history: History) -> Case:
    query = next(query for query in QUERIES if query.title == title)
    return Case(query, 15, int(history.times_ms[-1]))


def _later(history: History) -> History:
    """The same values once more, after the end."""
    length_ms = len(history.times_ms) * INTERVAL_MS
    return dataclasses.replace(history, times_ms=history.times_ms + length_ms)


def _repeat(case: Case, server: Server, ended: threading.Event) -> None:
    shift = 0
    while not ended.is_set():
        shift = (shift + 1) % 100
        case.ask(server, shift)
    server.connection.close()


def _duration_ms(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return (time.perf_counter() - started_s) * 1000
