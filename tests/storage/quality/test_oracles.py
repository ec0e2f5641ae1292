"""Every part that remembers something, against a judge that sees one sample after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.quality import (
    EVERYTHING,
    expected,
    monotonic_judge,
    outlier_judge,
    plain,
    sampling_judge,
    stored,
)
from tocsin.model import STALE_NAN, Labels
from tocsin.storage.quality import OutlierRule, QualityRules, SamplingRule, ValidationRule

SERIES = [Labels({"__name__": "m", "n": str(number)}) for number in range(3)]
SPECIAL = [math.nan, math.inf, -math.inf, STALE_NAN, -0.0, -1.0, 1e308, -1e308]


def batches(values, max_time_ms=60):
    samples = st.tuples(st.sampled_from(SERIES), st.integers(0, max_time_ms), values)
    return st.lists(st.lists(samples, min_size=1, max_size=25), min_size=1, max_size=6)


def rising(rng, batch_count, series_count, shape):
    """Batches as senders make them: time goes on, and each series has about ``shape`` samples."""
    series = [Labels({"__name__": f"m{number % 7}", "n": str(number)}) for number in range(series_count)]
    level = rng.normal(size=series_count).cumsum()
    time_ms = 0
    for _ in range(batch_count):
        samples = []
        for _ in range(shape):
            time_ms += int(rng.integers(1, 20_000))
            chosen = rng.random(series_count) < 0.9
            level += rng.exponential(size=series_count) - rng.exponential(4, series_count) * (
                rng.random(series_count) < 0.1
            )
            for number in np.flatnonzero(chosen).tolist():
                value = SPECIAL[int(rng.integers(0, 4))] if rng.random() < 0.02 else float(level[number])
                samples.append((series[number], time_ms + int(rng.integers(0, 3)), value))
        if rng.random() < 0.3:
            rng.shuffle(samples)
        yield samples


async def agrees(rules, judging, given_batches):
    given_batches = list(given_batches)
    found = await stored(rules, given_batches)
    wanted = expected(judging, given_batches)
    for got, (kept, extras) in zip(found, wanted, strict=True):
        assert got[: len(kept)] == kept
        assert sorted(got[len(kept) :]) == extras
    return found


COUNTED = st.one_of(st.integers(0, 30).map(float), st.sampled_from(SPECIAL))


@given(batches(COUNTED), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
async def test_monotonic(given_batches, reset_below):
    rule = ValidationRule("v", EVERYTHING, monotonic=True, reset_below=reset_below)
    await agrees(QualityRules(validation=[rule]), monotonic_judge(rule), given_batches)


MEASURED = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.sampled_from(SPECIAL))


@given(
    batches(MEASURED, 200),
    st.integers(5, 12),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
    st.sampled_from([1.5, 3.0]),
)
async def test_outliers(given_batches, window, min_deviation, drops, threshold):
    rule = OutlierRule("o", EVERYTHING, threshold, window, 3, min_deviation, drops)
    await agrees(QualityRules(outliers=[rule]), outlier_judge(rule), given_batches)


@given(batches(COUNTED), st.sampled_from([1, 7, 10, 1000]), st.sampled_from([1.0, 0.5]))
async def test_sampling(given_batches, keep_every_ms, ratio):
    rule = SamplingRule("s", EVERYTHING, keep_every_ms, ratio)
    await agrees(QualityRules(sampling=[rule]), sampling_judge(rule), given_batches)


@pytest.mark.parametrize(("series_count", "shape", "batch_count"), [(3000, 1, 12), (300, 5, 20), (3, 400, 4)])
async def test_thousands_of_series(series_count, shape, batch_count):
    rng = np.random.default_rng(series_count)
    given_batches = list(rising(rng, batch_count, series_count, shape))
    counter = ValidationRule("v", EVERYTHING, monotonic=True)
    watch = OutlierRule("o", EVERYTHING, threshold=3, window=30, min_samples=6)
    thinning = SamplingRule("s", EVERYTHING, 30_000, 0.7)
    everything = [sample for samples in given_batches for sample in plain(samples)]
    for rules, judging in (
        (QualityRules(validation=[counter]), monotonic_judge(counter)),
        (QualityRules(outliers=[watch]), outlier_judge(watch)),
        (QualityRules(sampling=[thinning]), sampling_judge(thinning)),
    ):
        found = await agrees(rules, judging, given_batches)
        assert [sample for samples in found for sample in samples] != everything, "the rule did something"
