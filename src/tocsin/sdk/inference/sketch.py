"""Quantiles of many values in little memory.

Guarantee: a quantile lies within 1 % of the value of that rank, for values from a nanosecond on; smaller
ones count as that. Buckets grow by a factor of e^(1/50), after DDSketch (Masson, Rim and Lee, VLDB 2019).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from math import ceil, exp, log
from typing import Final

_PER_E: Final = 50.0
"""Buckets for each factor of e."""

_SMALLEST: Final = 1e-9
_OFFSET: Final = -log(_SMALLEST) * _PER_E + 1
_MIDDLE: Final = 2 / (1 + exp(-1 / _PER_E))
"""From a bucket's lower end to the value that is off by the same ratio at both of its ends."""

Sketch = Counter[int]
"""How many values fell into each bucket. Sketches add up."""


def take(sketch: Sketch, ordered: Sequence[float]) -> None:
    """Add values, which come in order of their size: as many looks as there are different buckets."""
    start, count = 0, len(ordered)
    while start < count:
        bucket = int(log(max(ordered[start], _SMALLEST)) * _PER_E + _OFFSET)
        end = max(start + 1, bisect_left(ordered, exp((bucket + 1 - _OFFSET) / _PER_E), start))
        sketch[bucket] += end - start
        start = end


def quantiles(sketch: Sketch, wanted: Sequence[float]) -> list[float]:
    """The value of each rank, from the lowest on; nothing of an empty sketch.

    >>> sketch = Sketch()
    >>> take(sketch, [float(n) for n in range(1, 101)])
    >>> [round(value) for value in quantiles(sketch, [0.5, 0.99])]
    [50, 98]
    """
    total = sketch.total()
    if not total:
        return []
    found: list[float] = []
    seen = 0
    for bucket in sorted(sketch):
        seen += sketch[bucket]
        while len(found) < len(wanted) and seen >= ceil(wanted[len(found)] * total):
            found.append(_value(bucket))
    return found


def _value(bucket: int) -> float:
    return _MIDDLE * exp((bucket - _OFFSET) / _PER_E)
