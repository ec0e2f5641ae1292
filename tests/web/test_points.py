from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.web.points import number_texts, point_starts, points, time_texts


@given(st.lists(st.floats(), max_size=20))
def test_texts_read_back_exactly(values):
    texts = number_texts(np.array(values, dtype=np.float64))
    assert len(texts) == len(values)
    for text, value in zip(texts, values, strict=True):
        read = float(text)
        assert read == value or (math.isnan(read) and math.isnan(value))


@given(st.lists(st.tuples(st.integers(0, 10**13), st.floats()), min_size=1, max_size=20))
def test_points_are_json_pairs_of_time_and_text(samples):
    times = np.array([time for time, _ in samples])
    values = np.array([value for _, value in samples])
    read = json.loads(b"[" + points(point_starts(times), values) + b"]")
    assert [round(time * 1000) for time, _ in read] == times.tolist()
    np.testing.assert_array_equal([float(text) for _, text in read], values)


_WHOLE = st.integers(-(2**60), 2**60).map(float)


@given(st.lists(_WHOLE, max_size=8), st.lists(_WHOLE | st.floats(), max_size=8))
def test_a_number_has_the_same_text_whatever_stands_beside_it(whole, mixed):
    for values in (whole, mixed, [*whole, -0.0]):
        alone = [number_texts(np.array([value]))[0] for value in values]
        assert number_texts(np.array(values, dtype=np.float64)) == alone
        assert not any(text.endswith(b".0") for text in alone)


def test_forms_are_those_of_prometheus():
    assert number_texts(np.array([1.0, -0.0, 0.1, np.nan, np.inf, -np.inf])) == [
        b"1",
        b"-0",
        b"0.1",
        b"NaN",
        b"+Inf",
        b"-Inf",
    ]
    assert time_texts(np.array([1_700_000_000_000, 1_700_000_000_250])) == [b"1700000000", b"1700000000.25"]
