"""Quality: what the rules cost a sample, in batches of 5,000 series with one sample each.

Scrapes and remote write hand over the same label sets again and again; rules and the push API make equal
ones anew, which costs a comparison of each more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.table import Row
from tocsin.model import Labels, Matcher, MatchType, SampleBatch
from tocsin.storage import Head
from tocsin.storage.quality import (
    EnrichmentRule,
    Lookup,
    OutlierRule,
    QualityRules,
    QualityStorage,
    SamplingRule,
    ValidationRule,
)

SERIES = 5000
WARM_UP_BATCHES = 110
BATCHES = 150
REPEATS = 3
INTERVAL_MS = 15_000

_EVERYTHING: Final = (Matcher("__name__", MatchType.REGEX, ".+"),)
_NAMES: Final = [
    Labels({"__name__": f"m{n % 50}", "instance": f"host{n // 100}:9100", "job": "node", "n": str(n)})
    for n in range(SERIES)
]


class _Nowhere(Head):
    """A store that keeps nothing, so that the rules alone are measured."""

    async def append(self, batch: SampleBatch) -> None:
        """Take a batch."""

    async def close(self) -> None:
        """Nothing to close."""


class _Clock:
    """Time that goes on by the interval of the batches."""

    def __init__(self) -> None:
        self.time_ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(duration_s)


def rows() -> list[Row]:
    """Measure."""
    enrichment = QualityRules(enrichment=[EnrichmentRule("e", labels={"team": "a"}), _lookup_rule()])
    in_range = ValidationRule("v", _EVERYTHING, low=-10, high=10)
    watch, thinning = OutlierRule("o", _EVERYTHING), SamplingRule("s", _EVERYTHING, 2 * INTERVAL_MS)
    all_four = replace(enrichment, validation=[in_range], outliers=[watch], sampling=[thinning])
    counter = ValidationRule("v", _EVERYTHING, monotonic=True)
    return [
        row("enrichment: a label and a lookup", enrichment, "< 100 ns"),
        row("validation: range", QualityRules(validation=[in_range]), "< 100 ns"),
        row("validation: monotonic", QualityRules(validation=[counter]), rising=True),
        row("outliers: window of 100", QualityRules(outliers=[watch])),
        row("sampling: every second sample", QualityRules(sampling=[thinning])),
        row("enrichment, range, outliers and sampling", all_four, "< 300 ns"),
    ]


def row(what: str, rules: QualityRules, budget: str = "", *, rising: bool = False) -> Row:
    """The cost of some rules, for label sets that are the same objects and for those that are only equal."""
    same, equal = (
        min(asyncio.run(cost_ns(rules, rising=rising, makes_anew=anew)) for _ in range(REPEATS))
        for anew in (False, True)
    )
    return Row(what, f"{same:.0f} ns/sample (equal labels, made anew: {equal:.0f} ns)", budget)


async def cost_ns(rules: QualityRules, *, rising: bool, makes_anew: bool) -> float:
    """Nanoseconds a sample, on average."""
    clock, generator = _Clock(), np.random.default_rng(1)
    storage = QualityStorage(_Nowhere(), rules, clock, 1_000_000)
    level: npt.NDArray[np.float64] = np.zeros(SERIES)
    spent_s = 0.0
    for number in range(WARM_UP_BATCHES + BATCHES):
        clock.time_ms += INTERVAL_MS
        step = generator.normal(size=SERIES)
        level = level + np.abs(step) if rising else step
        batch = _batch(clock.time_ms, level, makes_anew=makes_anew)
        begun_s = time.perf_counter()
        await storage.append(batch)
        if number >= WARM_UP_BATCHES:
            spent_s += time.perf_counter() - begun_s
    return spent_s / BATCHES / SERIES * 1e9


def _batch(time_ms: int, values: npt.NDArray[np.float64], *, makes_anew: bool) -> SampleBatch:
    series: Sequence[Labels] = (
        [Labels.from_sorted(labels.pairs) for labels in _NAMES] if makes_anew else list(_NAMES)
    )
    return SampleBatch(series, np.arange(SERIES), np.full(SERIES, time_ms), values)


def _lookup_rule() -> EnrichmentRule:
    lookup = Lookup(Path("nodes.csv"), "instance")
    lookup.entries = {f"host{n}:9100": {"rack": f"r{n % 7}", "owner": "ann"} for n in range(SERIES // 100)}
    return EnrichmentRule("e", lookup=lookup)
