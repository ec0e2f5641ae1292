from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.web import points
from tocsin.web.points import number_texts, point_lists, time_text


@given(st.lists(st.floats(), max_size=20))
def test_texts_read_back_exactly(values):
    texts = number_texts(np.array(values, dtype=np.float64))
    assert len(texts) == len(values)
    for text, value in zip(texts, values, strict=True):
        read = float(text)
        assert read == value or (math.isnan(read) and math.isnan(value))


times = st.integers(0, 10**13) | st.integers(1_600_000_000, 1_700_000_000).map(lambda time_s: time_s * 1000)


@st.composite
def matrices(draw):
    times_ms = np.array(draw(st.lists(times, min_size=1, max_size=6)))
    rows = draw(st.integers(1, 6))
    values = draw(st.lists(st.floats(), min_size=rows * len(times_ms), max_size=rows * len(times_ms)))
    mask = draw(st.none() | st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    shape = (rows, len(times_ms))
    return times_ms, np.array(values).reshape(shape), None if mask is None else np.array(mask).reshape(shape)


@given(matrices(), st.integers(1, 12))
def test_point_lists_are_json_pairs_of_time_and_text(matrix, batch_points):
    times_ms, values, present = matrix
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points, "_BATCH_POINTS", batch_points)
        lists = point_lists(times_ms, values, present)
    mask = np.ones(values.shape, dtype=bool) if present is None else present
    assert len(lists) == len(values)
    for text, row, is_there in zip(lists, values, mask, strict=True):
        read = json.loads(text)
        assert [round(time_s * 1000) for time_s, _ in read] == times_ms[is_there].tolist()
        assert [written for _, written in read] == [
            written.decode() for written in number_texts(row[is_there])
        ]


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
    times_ms = [1_700_000_000_000, 1_700_000_000_250, 5, -5, -1500]
    assert [time_text(time_ms) for time_ms in times_ms] == [
        b"1700000000",
        b"1700000000.250",
        b"0.005",
        b"-0.005",
        b"-1.500",
    ]
