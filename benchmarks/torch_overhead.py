"""What watching costs a real PyTorch training: the same steps with and without a monitor, in turns.

A network of two hidden layers learns on one core of the processor. With the monitor, each step hands over the
loss and the norm of the gradients as tensors, and three numbers, which a server in another process takes.
Pairs are interleaved, and every other one begins with the watched training, so that whatever else goes on
falls on both alike. What counts is the median of the differences of the pairs; the noise is half of what lies
between their quartiles. Processor time is that of all threads: sending goes on beside the training. The clock
starts after some steps, when the monitor has its connection, since a real training takes hours.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from statistics import median, quantiles
from typing import Any, NamedTuple

import tocsin
from benchmarks.sink import nobody_to_find, sink_elsewhere
from benchmarks.table import Row

PAIRS = 10
STEPS = 300
WARM_UP_STEPS = 100
BATCH_SIZE = 128
SIZES = (784, 512, 512, 10)
BUDGET = 0.001


class Cost(NamedTuple):
    """Seconds of one training: on the clock, and of the processor for all threads of this process."""

    wall_s: float
    processor_s: float


def rows() -> list[Row]:
    """Measure."""
    if importlib.util.find_spec("torch") is None:
        return [Row("a PyTorch training, watched and not", "skipped: PyTorch is not installed")]
    pairs = measure()
    walls = [(plain.wall_s, watched.wall_s) for plain, watched in pairs]
    processors = [(plain.processor_s, watched.processor_s) for plain, watched in pairs]
    return [_row("time", walls, f"≤ {BUDGET:.1%} or within the noise"), _row("processor time", processors)]


def measure() -> list[tuple[Cost, Cost]]:
    """Each pair: a training that nobody watches and one that is watched."""
    pairs = []
    with sink_elsewhere() as url, nobody_to_find(), _one_core():
        _train(nullcontext())  # PyTorch's first steps are slower
        for number in range(PAIRS):
            contestants: list[Callable[[], AbstractContextManager[Any]]] = [
                nullcontext,
                lambda: tocsin.TrainingMonitor("benchmark", url=url),
            ]
            order = (0, 1) if number % 2 else (1, 0)
            costs = {place: _train(contestants[place]()) for place in order}
            pairs.append((costs[0], costs[1]))
    return pairs


@contextmanager
def _one_core() -> Iterator[None]:
    """Several threads of PyTorch wait for each other, the longer the more the machine does besides."""
    import torch  # noqa: PLC0415 - a benchmark that is not run needs no PyTorch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _row(kind: str, pairs: Sequence[tuple[float, float]], budget: str = "") -> Row:
    step_ms = median(plain for plain, _ in pairs) / STEPS * 1000
    differences = [watched / plain - 1 for plain, watched in pairs]
    low, _, high = quantiles(differences, n=4)
    return Row(
        f"steps of {step_ms:.1f} ms, watched beside not: {kind}",
        f"{median(differences):+.2%}, noise ± {(high - low) / 2:.2%}",
        budget,
    )


def _train(monitor: AbstractContextManager[Any]) -> Cost:
    import torch  # noqa: PLC0415

    torch.manual_seed(7)
    layers = [torch.nn.Linear(*sizes) for sizes in pairwise(SIZES)]
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs = torch.randn(BATCH_SIZE, SIZES[0])
    targets = torch.randint(0, SIZES[-1], (BATCH_SIZE,))
    wall_s = processor_s = 0.0
    with monitor as run:
        for number in range(WARM_UP_STEPS + STEPS):
            if number == WARM_UP_STEPS:
                wall_s, processor_s = time.perf_counter(), time.process_time()
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if run is not None:
                run.step(loss=loss, grad_norm=norm, lr=0.01, epoch=1, samples=BATCH_SIZE)
        return Cost(time.perf_counter() - wall_s, time.process_time() - processor_s)
