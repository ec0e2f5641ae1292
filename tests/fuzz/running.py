"""Feeds a parser a great many inputs, and says what every outcome must be."""

from __future__ import annotations

import os
import random
import re
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.fuzz.mutations import Mutator
from tocsin.errors import TocsinError
from tocsin.model import Labels, SampleBatch, is_stale
from tocsin.scrape.syntax import MAX_TIMESTAMP_MS

INPUTS = int(os.environ.get("TOCSIN_FUZZ_INPUTS", "0"))
"""How many inputs each parser gets; 0 stands for few."""

FEW_INPUTS = 2000

LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

COMPARED = 3
"""One input in so many is read in two ways and compared; most of the time goes into that."""

_SHOWN_BYTES = 2000


@dataclass(frozen=True)
class Fuzzed:
    """A parser, what is fed to it, and the errors by which it may refuse.

    ``take`` parses an input and asserts that the result is well-formed. A slow parser gets only a ``share``
    of few inputs.
    """

    name: str
    seeds: Sequence[bytes]
    mutate: Mutator
    take: Callable[[bytes], object]
    refusals: tuple[type[TocsinError], ...] = field(default=(TocsinError,))
    share: float = 1.0


def new_random() -> random.Random:
    """New inputs in each run, but in CI, where a change is to blame for what fails."""
    return random.Random(0 if "CI" in os.environ else random.getrandbits(64))


def run(fuzzed: Fuzzed) -> None:
    """Feed a parser; raises whatever it raised that is no refusal, with the input as a note."""
    rng = new_random()
    count, refused, started_s = INPUTS or round(FEW_INPUTS * fuzzed.share), 0, time.perf_counter()
    for number in range(count):
        data = fuzzed.mutate(rng, fuzzed.seeds)
        try:
            fuzzed.take(data)
        except fuzzed.refusals as error:
            refused += 1
            check_sentence(error, data)
        except BaseException as error:
            error.add_note(f"input {number} of {fuzzed.name}: {data[:_SHOWN_BYTES]!r}")
            raise
    took_s = time.perf_counter() - started_s
    print(f"{fuzzed.name}: {count} inputs, {refused} refused, {took_s:.1f} s")
    assert refused < count, "nothing was read: the seeds or the mutations are useless"


def check_sentence(error: TocsinError, data: bytes) -> None:
    """A refusal is one sentence of bounded size."""
    sentence = str(error)
    sentence.encode()
    assert sentence, data[:_SHOWN_BYTES]


def check_labels(labels: Labels, *, legacy: bool = False) -> None:
    """What every label set in the store promises."""
    names = [name for name, _ in labels.pairs]
    assert names == sorted(set(names)), names
    assert labels.metric_name, labels
    for name, value in labels.pairs:
        assert name, labels
        assert value, labels
        f"{name}{value}".encode()
        if legacy:
            assert LEGACY_LABEL.fullmatch(name), labels
    if legacy:
        assert LEGACY_METRIC.fullmatch(labels.metric_name), labels


def check_batch(batch: SampleBatch, *, legacy: bool = False) -> None:
    """What every batch on its way to the store promises."""
    count = len(batch)
    assert len(batch.series_index) == len(batch.timestamps_ms) == count
    assert batch.values.dtype == np.float64
    assert batch.timestamps_ms.dtype == np.int64
    assert batch.series_index.dtype == np.int64
    assert len(set(batch.series)) == len(batch.series)
    if count:
        assert batch.series_index.min() >= 0
        assert batch.series_index.max() < len(batch.series)
        assert batch.timestamps_ms.min() >= -MAX_TIMESTAMP_MS
        assert batch.timestamps_ms.max() <= MAX_TIMESTAMP_MS
    for labels in batch.series:
        check_labels(labels, legacy=legacy)


def samples(batch: SampleBatch) -> set[tuple[str, int, bytes]]:
    """The samples of a batch, all NaN but the staleness marker being one."""
    return {
        (str(batch.series[index]), timestamp_ms, _bits(value))
        for index, timestamp_ms, value in zip(
            batch.series_index.tolist(), batch.timestamps_ms.tolist(), batch.values, strict=True
        )
    }


def _bits(value: float) -> bytes:
    return b"NaN" if np.isnan(value) and not is_stale(value) else struct.pack("<d", value)
