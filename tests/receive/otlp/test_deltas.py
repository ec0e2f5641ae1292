from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParseError
from tocsin.model import Labels
from tocsin.receive.otlp.deltas import DeltaSums

SERIES = Labels({"__name__": "a"})


def series(number):
    return Labels({"__name__": "a", "x": str(number)})


def test_deltas_add_up_by_series():
    deltas = DeltaSums()
    assert deltas.add(SERIES, 1, [2.0]) == (2.0,)
    assert deltas.add(series(1), 1, [10.0]) == (10.0,)
    assert deltas.add(SERIES, 2, [3.0]) == (5.0,)


def test_a_delta_that_is_sent_again_counts_once():
    deltas = DeltaSums()
    deltas.add(SERIES, 1, [2.0])
    assert deltas.add(SERIES, 2, [3.0]) == deltas.add(SERIES, 2, [3.0]) == (5.0,)


def test_a_delta_that_comes_too_late_is_refused():
    deltas = DeltaSums()
    deltas.add(SERIES, 2, [2.0])
    with pytest.raises(ParseError, match="a delta of a is older than the one before it"):
        deltas.add(SERIES, 1, [3.0])
    assert deltas.add(SERIES, 3, [1.0]) == (3.0,)


@pytest.mark.parametrize(("values", "shape"), [([1.0, 1.0], (5.0,)), ([1.0, 1.0, 1.0], (1.0,))])
def test_other_buckets_begin_anew(values, shape):
    deltas = DeltaSums()
    deltas.add(SERIES, 1, [9.0, 9.0], (1.0,))
    assert deltas.add(SERIES, 2, values, shape) == tuple(values)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_begins_anew(value):
    deltas = DeltaSums()
    deltas.add(SERIES, 1, [5.0])
    deltas.add(SERIES, 2, [value])
    assert deltas.add(SERIES, 3, [1.0]) == (1.0,)


def test_what_is_remembered_is_bounded_and_the_most_silent_is_forgotten():
    deltas = DeltaSums(max_values=4)
    deltas.add(series(0), 1, [1.0, 1.0])
    deltas.add(series(1), 1, [1.0, 1.0])
    deltas.add(series(0), 2, [1.0, 1.0])
    deltas.add(series(2), 2, [1.0])
    assert len(deltas) == 3
    assert deltas.add(series(0), 3, [1.0, 1.0]) == (3.0, 3.0)
    assert deltas.add(series(1), 3, [1.0, 1.0]) == (1.0, 1.0)
    assert deltas.add(series(3), 3, [1.0] * 9) == (1.0,) * 9
    assert len(deltas) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), max_size=30))
def test_sums_are_those_of_all_deltas(steps):
    deltas, totals = DeltaSums(), dict[int, float]()
    for time_ns, (number, delta) in enumerate(steps):
        totals[number] = totals.get(number, 0.0) + delta
        assert deltas.add(series(number), time_ns, [delta]) == (totals[number],)
