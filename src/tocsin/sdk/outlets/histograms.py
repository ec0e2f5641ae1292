"""Histograms in the state of a monitor: from the series of Prometheus back to buckets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Final

from tocsin.sdk.readings import Reading

_BUCKET: Final = "_bucket"

_Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Histogram:
    """One histogram: ``counts`` of each bucket alone, one more than there are finite upper ``bounds``."""

    labels: _Labels
    sum: float = 0.0
    _at_most: dict[float, float] = field(default_factory=dict)

    @property
    def bounds(self) -> list[float]:
        """The finite upper bounds, in order."""
        return sorted(bound for bound in self._at_most if bound < inf)

    @property
    def counts(self) -> list[int]:
        """How many values are in each bucket."""
        cumulative = [0.0, *(self._at_most[bound] for bound in sorted(self._at_most))]
        return [int(after - before) for before, after in pairwise(cumulative)]

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def add(self, bound: float, at_most: float) -> None:
        """So many values are at most ``bound``."""
        self._at_most[bound] = at_most


def taken_apart(state: Iterable[Reading]) -> tuple[dict[str, list[Histogram]], list[Reading]]:
    """The histograms by name, and the readings that belong to none.

    >>> found, plain = taken_apart(
    ...     [
    ...         Reading("wait_bucket", 2, (("le", "1.0"),)),
    ...         Reading("wait_bucket", 5, (("le", "+Inf"),)),
    ...         Reading("wait_sum", 9.5),
    ...         Reading("wait_count", 5),
    ...         Reading("depth", 3),
    ...     ]
    ... )
    >>> found["wait"][0].counts, found["wait"][0].bounds, found["wait"][0].sum, len(plain)
    ([2, 3], [1.0], 9.5, 1)
    """
    readings = list(state)
    histograms: dict[str, dict[_Labels, Histogram]] = {}
    for name, value, labels in readings:
        bound = dict(labels).get("le")
        if name.endswith(_BUCKET) and bound is not None:
            own = tuple(each for each in labels if each[0] != "le")
            known = histograms.setdefault(name.removesuffix(_BUCKET), {})
            known.setdefault(own, Histogram(own)).add(float(bound), value)
    plain = [reading for reading in readings if not _belongs(reading, histograms)]
    return {name: list(known.values()) for name, known in histograms.items()}, plain


def _belongs(reading: Reading, histograms: dict[str, dict[_Labels, Histogram]]) -> bool:
    """Whether a reading is part of a histogram, whose sum it may be."""
    base, _, part = reading.name.rpartition("_")
    known = histograms.get(base, {})
    if part == "bucket":
        return bool(known) and "le" in dict(reading.labels)
    if part not in {"sum", "count"} or reading.labels not in known:
        return False
    if part == "sum":
        known[reading.labels].sum = reading.value
    return True
