from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.receive.statsd.digest import WindowedDigest

SHARES = (0.01, 0.5, 0.9, 0.99, 0.999)


def nearest_rank(values, share):
    """The quantile by its definition."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered) - 1e-9), 1) - 1]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200), st.integers(1, 5))
def test_few_observations_are_exact(values, pieces):
    digest = WindowedDigest(60_000, 5)
    for start in range(pieces):
        if part := values[start::pieces]:
            digest.add(part, [1] * len(part), start * 1000)
    assert digest.quantiles(SHARES, 5000) == [nearest_rank(values, share) for share in SHARES]


@pytest.mark.parametrize("shape", ["uniform", "lognormal", "sorted", "two_values"])
def test_many_observations_are_off_by_less_than_the_exporters_errors(shape):
    random = np.random.default_rng(7)
    values = {
        "uniform": random.random(200_000),
        "lognormal": random.lognormal(0, 2, 200_000),
        "sorted": np.arange(200_000.0),
        "two_values": np.where(random.random(200_000) < 0.3, 1.0, 2.0),
    }[shape]
    digest = WindowedDigest(60_000, 5)
    for part in np.array_split(values, 50):
        digest.add(part.tolist(), [1] * len(part), 0)
    ordered = np.sort(values)
    for share, error in ((0.5, 0.005), (0.9, 0.002), (0.99, 0.0005)):
        [found] = digest.quantiles([share], 0)
        low = np.searchsorted(ordered, found, side="left") / len(ordered)
        high = np.searchsorted(ordered, found, side="right") / len(ordered)
        assert low - error <= share <= high + error


def test_memory_is_bounded():
    digest = WindowedDigest(60_000, 5)
    for start in range(100):
        digest.add([float(start * 1000 + n) for n in range(1000)], [1] * 1000, 0)
    assert sum(len(part.values) for _, part in digest._slices) < 4096


def test_a_weight_counts_as_many_observations():
    digest = WindowedDigest(60_000, 5)
    digest.add([1.0, 2.0], [9, 1], 0)
    assert digest.quantiles([0.5, 0.9, 0.95], 0) == [1, 1, 2]


def test_observations_are_forgotten_by_slices():
    digest = WindowedDigest(50_000, 5)
    digest.add([1.0], [1], 0)
    digest.add([2.0], [1], 10_000)
    assert digest.quantiles([0], 49_999) == [1]
    assert digest.quantiles([0], 50_000) == [2]
    assert math.isnan(digest.quantiles([0], 60_000)[0])


def test_without_observations_there_is_no_quantile():
    assert all(math.isnan(value) for value in WindowedDigest(1, 5).quantiles(SHARES, 0))
