"""Quantiles of the observations of the last minutes, in bounded memory.

Source: Dunning, Ertl: Computing Extremely Accurate Quantiles Using t-Digests (arXiv:1902.04023), the
merging variant with the scale function k1.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

_MAX_POINTS: Final = 2048
"""Up to this many observations a quantile is exact."""

_COMPRESSION: Final = 1000


class Digest(NamedTuple):
    """Values that rise, each standing for as many observations as its weight says."""

    values: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


EMPTY: Final = Digest(np.empty(0), np.empty(0))


def merge(digests: Sequence[Digest]) -> Digest:
    """All observations of several digests, in at most a few thousand points."""
    values = np.concatenate([digest.values for digest in digests])
    weights = np.concatenate([digest.weights for digest in digests])
    order = np.argsort(values, kind="stable")
    merged = Digest(values[order], weights[order])
    return _compressed(merged) if len(values) > _MAX_POINTS else merged


def _compressed(digest: Digest) -> Digest:
    """Join neighbours into their mean, more of them in the middle than at the ends."""
    values, weights = digest
    share = (np.cumsum(weights) - weights / 2) / weights.sum()
    cluster = np.floor(_COMPRESSION * np.arcsin(2 * share - 1) / math.pi)
    starts = np.flatnonzero(np.r_[True, cluster[1:] != cluster[:-1]])
    joined = np.add.reduceat(weights, starts)
    ends = np.r_[starts[1:], len(values)]
    # Shares of the weight come first, so that large values do not overflow.
    means = np.add.reduceat(values * (weights / np.repeat(joined, ends - starts)), starts)
    return Digest(np.clip(means, values[starts], values[ends - 1]), joined)


def quantiles(digest: Digest, shares: Sequence[float]) -> list[float]:
    """The smallest value that has at least such a share of the observations up to it; NaN without any.

    >>> quantiles(Digest(np.array([1.0, 2.0, 3.0]), np.ones(3)), [0.5, 0.99])
    [2.0, 3.0]
    """
    if not len(digest.values):
        return [math.nan] * len(shares)
    upto = np.cumsum(digest.weights)
    # A share such as 0.07 of 100 must not become the eighth value by a digit in the last place.
    ranks = np.array(shares) * upto[-1] * (1 - 1e-12)
    places = np.minimum(np.searchsorted(upto, ranks), len(upto) - 1)
    found: list[float] = digest.values[places].tolist()
    return found


class WindowedDigest:
    """Observations of the last ``max_age_ms``, forgotten in ``slice_count`` steps."""

    def __init__(self, max_age_ms: int, slice_count: int) -> None:
        self._slice_ms = max(1, max_age_ms // slice_count)
        self._slice_count = slice_count
        self._slices: deque[tuple[int, Digest]] = deque()

    def add(self, values: Sequence[float], counts: Sequence[int], now_ms: int) -> None:
        """Add observations that were made until now; ``counts`` says how often each."""
        self._forget(now_ms)
        number = now_ms // self._slice_ms
        new = Digest(np.array(values, dtype=np.float64), np.array(counts, dtype=np.float64))
        before = self._slices.pop()[1] if self._slices and self._slices[-1][0] == number else EMPTY
        self._slices.append((number, merge([before, new])))

    def quantiles(self, shares: Sequence[float], now_ms: int) -> list[float]:
        """The quantiles over the window; NaN when nothing was observed in it."""
        self._forget(now_ms)
        return quantiles(merge([EMPTY, *(digest for _, digest in self._slices)]), shares)

    def _forget(self, now_ms: int) -> None:
        oldest = now_ms // self._slice_ms - self._slice_count
        while self._slices and self._slices[0][0] <= oldest:
            self._slices.popleft()
