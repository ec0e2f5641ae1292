"""Every function of windows gives what the slow oracle gives, whatever the shape of the blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.promql import oracle
from tests.promql.stores import SHAPES, Shape, filled
from tocsin.model import STALE_NAN, Labels, is_stale
from tocsin.promql import Engine

STEP_MS = 15_000
RANGE_MS = 120_000


ordinary = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
values = st.one_of(ordinary, ordinary, ordinary, st.sampled_from([0.0, 1.0, 1.0, STALE_NAN]))
wild = st.one_of(values, st.sampled_from([math.nan, math.inf, -math.inf, 1e100, -1e100, 1e-30, 1e308]))


def series_of(elements: st.SearchStrategy[float], max_size: int = 60) -> st.SearchStrategy[dict[int, float]]:
    """Samples on the grid of scrapes, with gaps."""
    points = st.lists(st.one_of(elements, elements, st.none()), min_size=1, max_size=max_size)
    return points.map(
        lambda found: {place * STEP_MS: value for place, value in enumerate(found) if value is not None}
    )


def query_of(function: str) -> str:
    match function:
        case "quantile_over_time":
            return f"quantile_over_time(0.3, x[{RANGE_MS}ms])"
        case "predict_linear":
            return f"predict_linear(x[{RANGE_MS}ms], 600)"
    return f"{function}(x[{RANGE_MS}ms])"


def answers(samples: Mapping[Labels, Mapping[int, float]], shape: Shape, function: str, step_ms: int) -> dict:
    engine = Engine(filled(shape, samples), enable_experimental=True)
    result = engine.range(query_of(function), 0, 1_000_000, step_ms)
    return {
        (labels["row"], int(time_ms)): value
        for labels, times, found in result.series()
        for time_ms, value in zip(times, found.tolist(), strict=True)
    }


def expected(samples: Mapping[Labels, Mapping[int, float]], function: str, step_ms: int) -> dict:
    wanted = {}
    for labels, points in samples.items():
        real = [(time_ms, value) for time_ms, value in sorted(points.items()) if not is_stale(value)]
        for time_ms in range(0, 1_000_001, step_ms):
            value = oracle.evaluate(function, real, time_ms, RANGE_MS)
            if value is not None:
                wanted[labels["row"], time_ms] = value
    return wanted


def labelled(rows: list[dict[int, float]]) -> dict[Labels, dict[int, float]]:
    return {Labels({"__name__": "x", "row": str(row)}): points for row, points in enumerate(rows)}


def assert_alike(got: dict, wanted: dict, scale: float) -> None:
    assert got.keys() == wanted.keys()
    keys = list(wanted)
    np.testing.assert_allclose(
        [got[key] for key in keys], [wanted[key] for key in keys], rtol=1e-9, atol=1e-11 * scale
    )


@pytest.mark.parametrize("function", oracle.FUNCTIONS)
@settings(max_examples=12, deadline=None)
@given(rows=st.lists(series_of(values), min_size=1, max_size=4), step_ms=st.sampled_from([15_000, 37_000]))
def test_windows_mean_what_the_oracle_says(function: str, rows: list[dict[int, float]], step_ms: int) -> None:
    samples = labelled(rows)
    wanted = expected(samples, function, step_ms)
    scale = max((abs(value) for row in rows for value in row.values() if math.isfinite(value)), default=0.0)
    for shape in SHAPES:
        assert_alike(
            answers(samples, shape, function, step_ms), wanted, scale**2 if "var" in function else scale
        )


ORDER_FREE = [
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "changes",
    "resets",
    "quantile_over_time",
    "irate",
    "idelta",
]


@pytest.mark.parametrize("function", ORDER_FREE)
@settings(max_examples=12, deadline=None)
@given(rows=st.lists(series_of(wild), min_size=1, max_size=4))
def test_wild_values_mean_what_the_oracle_says(function: str, rows: list[dict[int, float]]) -> None:
    samples = labelled(rows)
    wanted = expected(samples, function, 15_000)
    for shape in SHAPES:
        assert_alike(answers(samples, shape, function, 15_000), wanted, 0.0)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(series_of(wild), min_size=1, max_size=3))
def test_sums_of_wild_values_keep_what_kahan_keeps(rows: list[dict[int, float]]) -> None:
    samples = labelled(rows)
    wanted = expected(samples, "sum_over_time", 15_000)
    for shape in SHAPES:
        got = answers(samples, shape, "sum_over_time", 15_000)
        assert got.keys() == wanted.keys()
        for key, value in wanted.items():
            assert math.isnan(got[key]) == math.isnan(value)
            assert math.isinf(got[key]) == math.isinf(value)


@pytest.mark.parametrize(
    "function", ["stdvar_over_time", "deriv", "predict_linear", "sum_over_time", "avg_over_time"]
)
def test_long_shared_windows_keep_their_precision(function: str) -> None:
    """A level far from zero, drift and a jump are what running sums suffer from."""
    random = np.random.default_rng(7)
    places = np.arange(400)
    rows = [
        dict(
            zip(
                (places * STEP_MS).tolist(),
                (base + drift * places + random.normal(0, noise, 400)).tolist(),
                strict=True,
            )
        )
        for base, drift, noise in ((1e9, 0, 1e-3), (0, 1e5, 1.0), (5, 0, 0.0), (1e6, 1, 0.1))
    ]
    rows[2][200 * STEP_MS] = 1e12
    samples = labelled(rows)
    engine = Engine(filled("shared", samples))
    query = query_of(function).replace(f"{RANGE_MS}ms", "1h")
    result = engine.range(query, 0, 400 * STEP_MS, STEP_MS)
    for labels, times, found in result.series():
        points = sorted(samples[labels.set(__name__="x")].items())
        for time_ms, value in list(zip(times.tolist(), found.tolist(), strict=True))[::7]:
            wanted = oracle.evaluate(function, points, time_ms, 3_600_000)
            if function == "stdvar_over_time":
                inside = [v for _, v in oracle.window(points, time_ms, 3_600_000)]
                wanted = float(np.var(np.array(inside) - inside[0]))
            assert value == pytest.approx(wanted, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("function", ["rate", "increase", "delta"])
@pytest.mark.parametrize("shape", SHAPES)
def test_windows_may_begin_where_samples_are_dense_and_end_where_they_are_sparse(
    function: str, shape: Shape
) -> None:
    times_ms = [*range(0, 600_000, 15_000), *range(600_000, 1_200_000, 30_000)]
    rows = {
        Labels({"__name__": "c_total", "row": str(row)}): {t: float((row + 1) * t * t) for t in times_ms}
        for row in range(3)
    }
    engine = Engine(filled(shape, rows))
    result = engine.range(f"{function}(c_total[10m])", 661_000, 1_141_000, 60_000)
    for (_, ends_ms, values), samples in zip(result.series(), rows.values(), strict=True):
        wanted = [
            oracle.evaluate(function, list(samples.items()), end_ms, 600_000) for end_ms in ends_ms.tolist()
        ]
        assert values.tolist() == pytest.approx(wanted)
