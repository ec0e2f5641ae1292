"""The notation of input series, and a store that shows them as time goes on."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import StorageError
from tocsin.model import Labels, Matcher, SampleBatch, is_stale
from tocsin.promql.points import NATIVE_HISTOGRAM
from tocsin.rules.testing.series import MAX_SAMPLES, InputStore, read_input_series

UP = Labels({"__name__": "up"})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2 3", [1, 2, 3]),
        ("1+2x3", [1, 3, 5, 7]),
        ("1-2x3", [1, -1, -3, -5]),
        ("-1+0.5x2", [-1, -0.5, 0]),
        ("1x4", [1] * 5),
        ("0x2 1", [0, 0, 0, 1]),
        ("_ 1 _x3 2", [None, 1, None, None, None, 2]),
        ("_x0 1", [1]),
        ("1e3 1e+3 1E-1 .5 5.", [1000, 1000, 0.1, 0.5, 5]),
        ("Inf -Inf +Inf", [math.inf, -math.inf, math.inf]),
        ("", []),
        ("{{count:2 sum:3}}x1", [NATIVE_HISTOGRAM] * 2),
        ("1e-3+1e-3x1", [0.001, 0.002]),
    ],
)
def test_notation(text, values):
    assert read_input_series("up", text) == (UP, values)


def test_staleness_and_not_a_number_differ():
    _, (number, stale) = read_input_series("up", "NaN stale")
    assert math.isnan(number)
    assert not is_stale(number)
    assert is_stale(stale)


@pytest.mark.parametrize(
    ("series", "text", "sentence"),
    [
        ("up", "1+2", 'how often is missing in "1+2"'),
        ("up", "3 1e3+2 4", 'how often is missing in "1e3+2"'),
        ("up", "1 + 2x3", 'not a point: "+"'),
        ("up", "stalex3", 'not a point: "stalex3"'),
        ("up", "1x-1", 'not a point: "1x-1"'),
        ("up", "NaNx10", 'not a point: "NaNx10"'),
        ("up", "1+Infx10", 'not a point: "1+Infx10"'),
        ("up", "one", 'not a point: "one"'),
        ("up", f"1x{MAX_SAMPLES}", "values are too many"),
        ("up", "1x" + "9" * 5000, "values are too many"),
        ('up{job="a"', "1", "parse error"),
        ('up{job=~"a"}', "1", "a series has labels, no conditions"),
        ("", "1", "the series is missing"),
    ],
)
def test_what_is_wrong_is_said(series, text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_input_series(series, text)


@given(
    st.lists(
        st.tuples(
            st.integers(-99, 99),
            st.none() | st.integers(-99, 99),
            st.none() | st.integers(0, 9),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_notation_against_an_obvious_expansion(parts):
    words, expected = [], []
    for value, increment, times, is_absent in parts:
        if is_absent:
            words.append("_" if times is None else f"_x{times}")
            expected += [None] * (1 if times is None else times)
        elif times is None:
            words.append(str(value))
            expected.append(value)
        else:
            words.append(f"{value}{'' if increment is None else f'{increment:+}'}x{times}")
            expected += [value + (increment or 0) * number for number in range(times + 1)]
    assert read_input_series("up", " ".join(words))[1] == expected


def seen(store):
    return [
        (str(labels), values.tolist())
        for block in store.select([Matcher.metric("up")], 0, 10_000_000)
        for labels, values in zip(block.labels, block.values, strict=True)
    ]


async def test_input_appears_when_its_time_has_come():
    store = InputStore([(UP, [1.0, None, 3.0])], 1000, 60_000)
    assert seen(store) == []
    store.show_until(1000)
    store.show_until(120_999)
    assert seen(store) == [("up", [1.0])]
    store.show_until(121_000)
    assert seen(store) == [("up", [1.0, 3.0])]


async def test_of_two_series_alike_the_later_counts():
    store = InputStore([(UP, [1.0]), (UP, [2.0])], 0, 1)
    store.show_until(0)
    assert seen(store) == [("up", [2.0])]


async def test_what_prometheus_would_refuse_is_refused():
    store = InputStore([(UP, [1.0])], 60_000, 1)
    store.show_until(60_000)
    await store.append(SampleBatch.at(60_000, {UP: 1.0}))
    with pytest.raises(StorageError, match="duplicate sample"):
        await store.append(SampleBatch.at(60_000, {UP: 2.0}))
    with pytest.raises(StorageError, match="out of order"):
        await store.append(SampleBatch.at(59_000, {UP: 2.0}))
    assert seen(store) == [("up", [1.0])]
