"""The benchmark as a whole: starts the three, writes, compares, measures, and sums up.

Peers stand in the order VictoriaMetrics, Prometheus.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.promql.busy import Latencies, latencies_while_busy
from benchmarks.promql.data import made_history
from benchmarks.promql.measure import Case, cases, compare, median_times_ms, write
from benchmarks.promql.servers import (
    PROMETHEUS,
    TOCSIN,
    VICTORIA_METRICS,
    Server,
    missing_program,
    running_servers,
)
from benchmarks.table import Row

SERIES = 10_000
SCRAPES = 720
REPETITIONS = 9
MAX_RATIO = 0.5
MAX_SLOWER_MS = 1.0

PEERS = (VICTORIA_METRICS, PROMETHEUS)

Times = Mapping[str, float]


def rows(series: int = SERIES, scrapes: int = SCRAPES, repetitions: int = REPETITIONS) -> list[Row]:
    """Measure."""
    missing = missing_program()
    if missing:
        return [Row("not measured", missing)]
    history = made_history(series, scrapes, time.time_ns() // 1_000_000)
    with tempfile.TemporaryDirectory() as folder, running_servers(Path(folder)) as servers:
        rates = write(history, servers)
        asked = list(cases(history))
        agreement = list(_agreement_rows(asked, servers))
        times = {case.title: median_times_ms(case, servers, repetitions) for case in asked}
        return [
            Row("query, step", TOCSIN, "", "VictoriaMetrics (ratio), Prometheus (ratio)"),
            *(_query_row(title, each) for title, each in times.items()),
            *agreement,
            _write_row(rates),
            _memory_row(servers),
            *_busy_rows({server.name: latencies_while_busy(history, server) for server in servers}),
            *_goal_rows(times),
        ]


def _agreement_rows(asked: Sequence[Case], servers: Sequence[Server]) -> Iterator[Row]:
    compared = {case.title: compare(case, servers) for case in asked}
    alike = [case for case in asked if not case.query.differs_because]
    for name, cases_alike in ((PROMETHEUS, asked), (VICTORIA_METRICS, alike)):
        found = {case.title: compared[case.title].differences.get(name) for case in cases_alike}
        differences = {title: text for title, text in found.items() if text}
        agreeing = f"{len(found) - len(differences)} of {len(found)}"
        yield Row(f"answers that agree with {name}", agreeing, f"all: {_verdict(not differences)}")
        yield from (Row(f"  {title}", "differs", "", text) for title, text in differences.items())
    reasons = Counter(case.query.differs_because for case in asked if case.query.differs_because)
    for reason, count in reasons.items():
        yield Row(f"not compared with {VICTORIA_METRICS}", f"{count}", "", reason)


def _query_row(title: str, times: Times) -> Row:
    peers = (f"{times[name]:.1f} ms ({times[TOCSIN] / times[name]:.2f})" for name in PEERS)
    return Row(title, f"{times[TOCSIN]:.1f} ms", "", ", ".join(peers))


def _write_row(rates: Times) -> Row:
    seen, *peers = (f"{rates[name] / 1000:.0f} k" for name in (TOCSIN, *PEERS))
    met = _verdict(rates[TOCSIN] >= rates[PROMETHEUS])
    return Row("remote write, samples/s", seen, f"≥ Prometheus: {met}", ", ".join(peers))


def _memory_row(servers: Sequence[Server]) -> Row:
    resident = {server.name: f"{server.resident_mib:.0f} MiB" for server in servers}
    return Row(
        "resident memory at the end", resident[TOCSIN], "", ", ".join(resident[name] for name in PEERS)
    )


def _busy_rows(latencies: Mapping[str, Latencies]) -> Iterator[Row]:
    for what, times in (
        ("small query", {name: each.query_ms for name, each in latencies.items()}),
        ("write", {name: each.write_ms for name, each in latencies.items()}),
    ):
        seen, *peers = (f"{times[name]:.1f} ms" for name in (TOCSIN, *PEERS))
        yield Row(f"{what} beside heavy queries, p99", seen, "", ", ".join(peers))


def _goal_rows(times: Mapping[str, Times]) -> Iterator[Row]:
    victoria_metrics, prometheus = (
        statistics.geometric_mean(each[TOCSIN] / each[name] for each in times.values()) for name in PEERS
    )
    slower_ms = {title: each[TOCSIN] - each[PROMETHEUS] for title, each in times.items()}
    worst = max(slower_ms, key=lambda title: slower_ms[title])
    yield Row("geometric mean, tocsin / Prometheus", f"{prometheus:.2f}")
    yield Row(
        "geometric mean, tocsin / VictoriaMetrics",
        f"{victoria_metrics:.2f}",
        f"≤ {MAX_RATIO}: {_verdict(victoria_metrics <= MAX_RATIO)}",
    )
    yield Row(
        "most behind Prometheus",
        f"{slower_ms[worst]:+.1f} ms",
        f"≤ {MAX_SLOWER_MS:g} ms: {_verdict(slower_ms[worst] <= MAX_SLOWER_MS)}",
        worst,
    )


def _verdict(is_met: bool) -> str:  # noqa: FBT001 - the one thing that it says
    return "met" if is_met else "missed"
