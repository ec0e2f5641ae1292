"""A great many random and mutated query strings: each is answered or refused, in bounded time."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.promql.expressions import START_MS, samples
from tests.promql.stores import filled
from tests.support.cases import CASES
from tocsin.errors import TocsinError
from tocsin.promql import Engine, QueryLimits
from tocsin.promql.functions.table import TABLE

STRINGS = int(os.environ.get("TOCSIN_FUZZ_STRINGS", "1000000"))
MAX_S = 5.0

SEEDS = [
    "sum by (job) (rate(c[5m] offset 1m)) / on (job) group_left (zone) avg(g) > bool 0.5",
    'histogram_quantile(0.9, sum by (le) (rate(c{job=~"a|b", zone!="z"}[5m])))',
    "topk(2, g) or bottomk(1, c) and on () g unless ignoring (job) g",
    'label_replace(max_over_time((g - c)[10m:30s] @ end()), "x", "$1", "job", "(.*)")',
    "-g ^ 2 % 3 atan2 g == bool 1",
    'count_values("v", g) + absent(nothing) * vector(time())',
    "quantile_over_time(0.5, g[2m:]) offset -1m",
    "predict_linear(g[1h], 3600) @ 1700000000",
]
KEYWORDS = (
    "sum avg count topk by without on ignoring group_left group_right bool offset and or unless g c "
    "( ) [ ] { } , + - * / % ^ == != > < = =~ !~ @ : [5m] [5m:1m] start() end() "
    "1 -1 1e300 0x1f NaN Inf \" ' ` \\ # ; $ 5m 1y"
)
ODDITIES = ("{}", '"a"', "\n", "\x00", "é", "💥", "9" * 30, " " * 5)
WORDS = (*TABLE, *KEYWORDS.split(), *ODDITIES)


def seeds() -> list[str]:
    """Expressions of ours, and those of the outside cases where they are there."""
    lines = (line for file in sorted(CASES.glob("promql/*.test")) for line in file.read_text().splitlines())
    evaluated = [line.split(maxsplit=4)[-1] for line in lines if line.startswith("eval")]
    return SEEDS + evaluated


def strings(rng: random.Random, count: int) -> Iterator[str]:
    corpus = seeds()
    for _ in range(count):
        kind = rng.random()
        if kind < 0.1:
            yield "".join(
                chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x2FFF)]))
                for _ in range(rng.randrange(40))
            )
        elif kind < 0.3:
            yield " ".join(rng.choices(WORDS, k=rng.randrange(1, 15)))
        else:
            yield mutated(rng, rng.choice(corpus))


def mutated(rng: random.Random, text: str) -> str:
    """A text with one to three places cut, doubled or replaced."""
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(text) + 1)
        end = min(len(text), place + rng.randrange(6))
        part = rng.choice(["", text[place:end] * 2, rng.choice(WORDS), f" {rng.choice(WORDS)} "])
        text = text[:place] + part + text[end:]
    return text


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_string_is_answered_or_refused(seed):
    rng = random.Random(seed)
    limits = QueryLimits(max_samples=200_000, timeout_s=MAX_S)
    engine = Engine(filled("ragged", samples()), limits=limits, enable_experimental=True)
    answered, slowest_s, slowest = 0, 0.0, ""
    for query in strings(rng, STRINGS // 2):
        started_s = time.perf_counter()
        with contextlib.suppress(TocsinError):
            engine.instant(query, START_MS + 600_000)
            answered += 1
        took_s = time.perf_counter() - started_s
        if took_s > slowest_s:
            slowest_s, slowest = took_s, query
    print(f"{STRINGS // 2} strings, {answered} answered; the slowest took {slowest_s:.2f} s: {slowest!r}")
    assert slowest_s < 2 * MAX_S
