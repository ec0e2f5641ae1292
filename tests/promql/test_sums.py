from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.promql.sums import CutSums, compensated_sum, cut_sums

EPSILON = 2.0**-53

ordinary = st.floats(-1e6, 1e6)
wild = st.sampled_from([0.0, 0.1, 1.0, 1e-300, 5e-324, 1e16, 1e100, 1e300]) | st.floats(allow_nan=False)


def matrices(values: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    columns = st.lists(values, min_size=1, max_size=4)
    return columns.flatmap(
        lambda first: st.lists(
            st.lists(values, min_size=len(first), max_size=len(first)), min_size=1, max_size=40
        ).map(np.array)
    )


def assert_sums(sums: np.ndarray, values: np.ndarray) -> None:
    """Each sum is right to its last bits, and else as far as twice the digits of a double go."""
    for got, column in zip(sums.tolist(), values.T.tolist(), strict=True):
        wanted, size = math.fsum(column), math.fsum(map(abs, column))
        assert abs(got - wanted) <= 2 * EPSILON * abs(wanted) + (4 * len(column) * EPSILON) ** 2 * size


@given(matrices(ordinary))
def test_sums_are_right_to_the_last_bits(values):
    assert_sums(compensated_sum(values), values)


@given(matrices(wild.filter(lambda value: abs(value) < 1e305)))
def test_sums_of_wild_values_keep_what_cancels(values):
    assert_sums(compensated_sum(values), values)


@given(matrices(ordinary | st.sampled_from([np.nan, np.inf, -np.inf])))
def test_what_is_not_finite_adds_up_as_it_should(values):
    with np.errstate(all="ignore"):
        sums, plain = compensated_sum(values), values.sum(axis=0)
    is_wild = ~np.isfinite(values).all(axis=0)
    np.testing.assert_array_equal(sums[is_wild], plain[is_wild])


@given(matrices(ordinary), st.data())
def test_sums_may_be_added_part_by_part(values, data):
    groups = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))))
    sums = CutSums.empty((4, values.shape[1]))
    start = 0
    while start < len(values):
        # Rows of different groups at a time, each group once.
        stop = start + 1
        while stop < len(values) and groups[stop] not in groups[start:stop]:
            stop += 1
        sums.add(groups[start:stop], *cut_sums(values[start:stop, None]))
        start = stop
    for group in range(4):
        certain = ~sums.is_doubtful[group]
        assert_sums(sums.total[group][certain], values[groups == group][:, certain])


@pytest.mark.parametrize("magnitudes", [(1.0, 1.0), (1e-6, 1e9)])
def test_a_tenth_of_ten_is_one(magnitudes):
    assert (compensated_sum(np.full((10, 2), 0.1) * magnitudes) == magnitudes).all()
