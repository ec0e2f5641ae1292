"""What one step with six values costs: tocsin beside prometheus_client and, where installed, OpenTelemetry.

Each contestant gets the same six values in the same process, in turns; the best of several rounds counts,
as the others hold what the machine did besides. The time includes everything that the process does for
the steps, thinning and sending among it, and the loop that takes them. The server is a process of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from prometheus_client import CollectorRegistry, Gauge

import tocsin
from benchmarks.sink import nobody_to_find, sink_elsewhere
from benchmarks.table import Row

STEPS = 100_000
ROUNDS = 5
BUDGET_NS = 1000
PEER = "prometheus_client, 6 gauges"
NAMES = ("loss", "lr", "accuracy", "gradient_norm", "tokens_per_second", "epoch")

Loop = Callable[[], None]
"""Takes all steps of a round."""


@contextmanager
def _tocsin(url: str | None) -> Iterator[Loop]:
    with tocsin.TrainingMonitor("benchmark", url=url) as run:

        def loop() -> None:
            for number in range(STEPS):
                run.step(
                    loss=0.5 + number % 7,
                    lr=1e-3,
                    accuracy=0.9,
                    gradient_norm=1.5,
                    tokens_per_second=1e4,
                    epoch=3,
                )

        yield loop


@contextmanager
def _prometheus_client() -> Iterator[Loop]:
    registry = CollectorRegistry()
    gauges = [Gauge(f"training_{name}", name, registry=registry) for name in NAMES]
    loss_gauge, lr, accuracy, gradient_norm, tokens, epoch_gauge = gauges

    def loop() -> None:
        for number in range(STEPS):
            loss_gauge.set(0.5 + number % 7)
            lr.set(1e-3)
            accuracy.set(0.9)
            gradient_norm.set(1.5)
            tokens.set(1e4)
            epoch_gauge.set(3)

    yield loop


@contextmanager
def _opentelemetry() -> Iterator[Loop]:
    sdk = importlib.import_module("opentelemetry.sdk.metrics")
    export = importlib.import_module("opentelemetry.sdk.metrics.export")
    provider = sdk.MeterProvider([export.InMemoryMetricReader()])
    meter = provider.get_meter("benchmark")
    loss_gauge, lr, accuracy, gradient_norm, tokens, epoch_gauge = (
        meter.create_gauge(f"training.{name}") for name in NAMES
    )
    labels = {"run": "benchmark"}

    def loop() -> None:
        for number in range(STEPS):
            loss_gauge.set(0.5 + number % 7, labels)
            lr.set(1e-3, labels)
            accuracy.set(0.9, labels)
            gradient_norm.set(1.5, labels)
            tokens.set(1e4, labels)
            epoch_gauge.set(3, labels)

    yield loop
    provider.shutdown()


def _round_ns(loop: Loop) -> float:
    start_ns = time.perf_counter_ns()
    loop()
    return (time.perf_counter_ns() - start_ns) / STEPS


def measure() -> dict[str, float]:
    """Nanoseconds a step of each contestant, the best of several interleaved rounds."""
    best: dict[str, float] = {}
    with sink_elsewhere() as url, nobody_to_find():
        contestants: dict[str, Callable[[], AbstractContextManager[Loop]]] = {
            "tocsin, server listening": lambda: _tocsin(url),
            "tocsin, no server": lambda: _tocsin(None),
            PEER: _prometheus_client,
        }
        if importlib.util.find_spec("opentelemetry") is not None:
            contestants["OpenTelemetry, 6 gauges"] = _opentelemetry
        for _ in range(ROUNDS):
            for name, contestant in contestants.items():
                with contestant() as loop:
                    best[name] = min(best.get(name, float("inf")), _round_ns(loop))
    return best


def rows() -> list[Row]:
    """Measure."""
    results = measure()
    peer_ns = results[PEER]
    return [
        Row(
            f"one step with six values, {name}",
            f"{step_ns:.0f} ns",
            f"≤ {BUDGET_NS:,} ns" if name.startswith("tocsin") else "",
            "" if name == PEER else f"{step_ns / peer_ns:.2f} of prometheus_client",
        )
        for name, step_ns in results.items()
    ]
