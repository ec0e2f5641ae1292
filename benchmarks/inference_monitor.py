"""What one request costs: tocsin beside prometheus_client with the same histograms and counters.

Each contestant gets the same requests in the same process, in turns; the best of several rounds counts, as
the others hold what the machine did besides. The time includes everything that the process does for them,
counting and sending among it. The server is a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

import tocsin
from benchmarks.sink import nobody_to_find, sink_elsewhere
from benchmarks.table import Row
from tocsin.sdk.inference.tally import FIRST_TOKEN_LIMITS_S, LATENCY_LIMITS_S, PER_TOKEN_LIMITS_S

REQUESTS = 100_000
ROUNDS = 5
BUDGET_NS = 1500
PEER = "prometheus_client, 3 histograms and 2 counters"

Request = Callable[[float], object]


@contextmanager
def _plain(url: str | None) -> Iterator[Request]:
    monitor = tocsin.InferenceMonitor("benchmark", url=url).start()
    yield monitor.record
    monitor.close()


@contextmanager
def _tocsin(url: str | None) -> Iterator[Request]:
    monitor = tocsin.InferenceMonitor("benchmark", url=url).start()

    def request(latency_s: float) -> None:
        monitor.record(latency_s, tokens=100, input_tokens=20, first_token_s=0.05)

    yield request
    monitor.close()


@contextmanager
def _block(url: str | None) -> Iterator[Request]:
    monitor = tocsin.InferenceMonitor("benchmark", url=url).start()

    def request(_: float) -> None:
        with monitor.request() as request:
            request.tokens = 100

    yield request
    monitor.close()


@contextmanager
def _prometheus_client() -> Iterator[Request]:
    registry = CollectorRegistry()

    def histogram(name: str, limits_s: tuple[float, ...]) -> Histogram:
        return Histogram(f"inference_{name}", name, ["model"], registry=registry, buckets=limits_s)

    latency = histogram("request_duration_seconds", LATENCY_LIMITS_S).labels("benchmark")
    first_token = histogram("time_to_first_token_seconds", FIRST_TOKEN_LIMITS_S).labels("benchmark")
    per_token = histogram("time_per_output_token_seconds", PER_TOKEN_LIMITS_S).labels("benchmark")
    requests = Counter("inference_requests", "requests", ["model", "status"], registry=registry)
    succeeded = requests.labels("benchmark", "success")
    tokens = Counter("inference_tokens", "tokens", ["model", "type"], registry=registry)
    input_tokens, output_tokens = tokens.labels("benchmark", "input"), tokens.labels("benchmark", "output")

    def request(latency_s: float) -> None:
        latency.observe(latency_s)
        first_token.observe(0.05)
        per_token.observe((latency_s - 0.05) / 99)
        succeeded.inc()
        input_tokens.inc(20)
        output_tokens.inc(100)

    yield request


def _round_ns(request: Request) -> float:
    start_ns = time.perf_counter_ns()
    for number in range(REQUESTS):
        request(0.1 + number % 700 / 1000)
    return (time.perf_counter_ns() - start_ns) / REQUESTS


def measure() -> dict[str, float]:
    """Nanoseconds a request of each contestant, the best of several interleaved rounds."""
    best: dict[str, float] = {}
    with sink_elsewhere() as url, nobody_to_find():
        contestants: dict[str, Callable[[], AbstractContextManager[Request]]] = {
            "tocsin, latency alone": lambda: _plain(url),
            "tocsin, four values": lambda: _tocsin(url),
            "tocsin, four values, no server": lambda: _tocsin(None),
            "tocsin, a with block": lambda: _block(url),
            PEER: _prometheus_client,
        }
        for _ in range(ROUNDS):
            for name, contestant in contestants.items():
                with contestant() as request:
                    best[name] = min(best.get(name, float("inf")), _round_ns(request))
    return best


def rows() -> list[Row]:
    """Measure."""
    results = measure()
    peer_ns = results[PEER]
    return [
        Row(
            f"one request, {name}",
            f"{request_ns:.0f} ns",
            f"≤ {BUDGET_NS:,} ns" if name.startswith("tocsin") and "block" not in name else "",
            "" if name == PEER else f"{request_ns / peer_ns:.2f} of prometheus_client",
        )
        for name, request_ns in results.items()
    ]
