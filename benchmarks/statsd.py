"""StatsD: how many metrics a second arrive over loopback without loss, beside a sender on the other core.

Each rate is held for some seconds against a receiver in a process of its own that stores into DuckDB; what
it counted and what the kernel dropped are read from its own metrics. ``one a datagram`` is how NVIDIA FLARE
and most clients send; DogStatsD clients with buffering send dozens together.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.table import Row
from tocsin.config.statsd import StatsdConfig
from tocsin.model import SystemClock
from tocsin.receive.statsd.intake import Intake
from tocsin.receive.statsd.mapping import Mapper
from tocsin.receive.statsd.receiver import StatsdReceiver
from tocsin.receive.statsd.registry import SeriesRegistry
from tocsin.receive.statsd.router import Router
from tocsin.storage import DuckDBStorage, StorageSettings

BUDGET_PER_S = 200_000
RATES_PER_S = (200_000, 250_000, 300_000, 400_000, 600_000, 800_000)
HELD_S = 5.0
SERIES = 200
BATCH = 20
REACHED = 0.97
ATTEMPTS = 3
COUNTED = ("lines", "events", "errors", "packets_lost")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of sending for a while."""

    rate_per_s: float
    sent: int
    received: int
    lost_packets: int

    @property
    def is_complete(self) -> bool:
        return self.received == self.sent and self.lost_packets == 0


def rows() -> list[Row]:
    """Measure."""
    return [
        cpu_row("parse, map and add, lines seen before", lambda number: str(number % SERIES)),
        cpu_row("parse, map and add, every line new", str),
        *(best_row(per_datagram) for per_datagram in (1, BATCH)),
    ]


def best_row(per_datagram: int) -> Row:
    """The highest of the rates that arrived whole."""
    best: Outcome | None = None
    for rate_per_s in RATES_PER_S:
        outcome = reached(rate_per_s, per_datagram)
        if not outcome.is_complete:
            break
        best = outcome
        if outcome.rate_per_s < REACHED * rate_per_s:
            # The sender can do no more.
            break
    what = f"UDP without loss for {HELD_S:.0f} s, {per_datagram} a datagram"
    seen = f"{best.rate_per_s / 1e3:.0f} k metrics/s" if best else f"less than {RATES_PER_S[0] / 1e3:.0f} k"
    return Row(what, seen, f"≥ {BUDGET_PER_S / 1e3:.0f} k")


def reached(rate_per_s: int, per_datagram: int) -> Outcome:
    """Send at a rate, again where the sender did not come to it because the machine had other work."""
    for _ in range(ATTEMPTS):
        outcome = held(rate_per_s, per_datagram)
        if outcome.rate_per_s >= REACHED * rate_per_s:
            break
    return outcome


def held(rate_per_s: int, per_datagram: int) -> Outcome:
    """Send at a rate, and ask what arrived."""
    datagrams = payloads(per_datagram)
    with running_receiver() as (port, ask):
        begun_s = time.perf_counter()
        sent = send(port, datagrams, rate_per_s / per_datagram) * per_datagram
        took_s = time.perf_counter() - begun_s
        time.sleep(0.5)
        counts = ask()
    return Outcome(sent / took_s, sent, counts["lines"], counts["packets_lost"])


def payloads(per_datagram: int) -> list[bytes]:
    """Datagrams such as FLARE sends: counters, gauges and timers with three tags."""
    lines = [
        f"_round_{n % 20}_{kind}:{n + 0.25}|{kind}|#site:site-{n // 20},env:lab,job_id:job".encode()
        for n, kind in zip(range(SERIES), cycle(("c", "g", "ms")), strict=False)
    ]
    starts = range(0, SERIES, per_datagram)
    return [b"\n".join(lines[start : start + per_datagram]) + b"\n" for start in starts]


def send(port: int, datagrams: Sequence[bytes], rate_per_s: float) -> int:
    """Send datagrams in turn at an even rate; returns how many."""
    count, begun_s = 0, time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        while (elapsed_s := time.perf_counter() - begun_s) < HELD_S:
            due = int(elapsed_s * rate_per_s)
            if count >= due:
                time.sleep(0.0005)
            for number in range(count, min(due, count + 2000)):
                sender.send(datagrams[number % len(datagrams)])
            count = max(count, min(due, count + 2000))
    return count


@contextlib.contextmanager
def running_receiver() -> Iterator[tuple[int, Callable[[], dict[str, int]]]]:
    """A receiver in a process of its own: its port, and what asks for its counts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield ours.recv(), lambda: _asked(ours)
    finally:
        ours.send("stop")
        process.join()


def _asked(pipe: Connection) -> dict[str, int]:
    pipe.send("counts")
    counts: dict[str, int] = pipe.recv()
    return counts


def _serve(pipe: Connection) -> None:
    asyncio.run(_receive(pipe))


async def _receive(pipe: Connection) -> None:
    registry = CollectorRegistry()
    with tempfile.TemporaryDirectory() as folder:
        storage = DuckDBStorage(Path(folder), StorageSettings(), SystemClock())
        config = StatsdConfig(listen_udp="127.0.0.1:0", listen_tcp="")
        receiver = StatsdReceiver(config, storage, SystemClock(), registry)
        await receiver.start()
        pipe.send(receiver.udp_port)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv) != "stop":
            await receiver.flush(SystemClock().now_ms())
            pipe.send({name: total(registry, f"tocsin_statsd_{name}") for name in COUNTED})
        await receiver.stop()
        await storage.close()


def total(registry: CollectorRegistry, name: str) -> int:
    """A counter over all its labels."""
    return int(
        sum(
            sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == f"{name}_total"
        )
    )


def cpu_row(what: str, tag: Callable[[int], str], count: int = 100_000) -> Row:
    """The work without the socket, on one core."""
    config = StatsdConfig()
    router = Router(Mapper(config.mapping), SeriesRegistry(10**7), extra_labels={}, keep_client_metrics=False)
    intake = Intake(router, config.tag_formats, lambda: 0)
    lines = [f"round_time:{n}|g|#site:{tag(n)},env:lab".encode() for n in range(count)]
    begun_s = time.perf_counter()
    for line in lines:
        intake.take(line)
    return Row(what, f"{count / (time.perf_counter() - begun_s) / 1e3:.0f} k lines/s")
