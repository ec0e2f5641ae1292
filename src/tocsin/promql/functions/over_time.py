"""The ``…_over_time`` family: one number for the samples of each window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model.columns import PADDING_MS
from tocsin.promql.functions.base import MATRIX, SCALAR, Evaluation, Function, over_ranges
from tocsin.promql.functions.variance import variance
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.quantiles import quantile_of_sorted, warn_of_quantiles
from tocsin.promql.sums import RunningSums, compensated_sum, kahan, needs_care
from tocsin.promql.values import Bools, Floats
from tocsin.promql.windows import Expanded, Windows, take_columns

_FEW_STEPS: Final = 4
"""Up to so many windows are summed up one by one, which takes less than running sums over all samples."""


def total(windows: Windows) -> Floats:
    """The sum of each window."""
    if windows.is_shared and len(windows.times_ms) <= _FEW_STEPS:
        return _one_by_one(windows)
    return _with_care(windows, _running_total, lambda part: kahan(part.values, part.real))


def mean(windows: Windows) -> Floats:
    """The average of each window; does not overflow where the sum would."""
    if windows.is_shared and len(windows.times_ms) <= _FEW_STEPS:
        means = _one_by_one(windows) / windows.counts
        if np.isfinite(means).all():
            return means
    return _with_care(windows, lambda part: _running_total(part) / part.counts, _mean_one_by_one)


def _one_by_one(windows: Windows) -> Floats:
    bounds = zip(windows.first.tolist(), windows.stop.tolist(), strict=True)
    return np.stack([compensated_sum(windows.values[:, first:stop].T) for first, stop in bounds], axis=1)


def _running_total(windows: Windows) -> Floats:
    return RunningSums(windows.values).between(*windows.edges)


def _with_care(
    windows: Windows,
    fast: Callable[[Windows], Floats],
    careful: Callable[[Expanded], Floats],
) -> Floats:
    """Use running sums, except for series whose values these cannot serve."""
    if not windows.is_shared:
        # Padding is no value; zero adds nothing.
        padding = windows.timestamps_ms == PADDING_MS
        windows = replace(windows, values=np.where(padding, 0.0, windows.values))
    difficult = needs_care(windows.values)
    if not difficult.any():
        return fast(windows)
    out = np.empty(windows.shape)
    easy = np.flatnonzero(~difficult)
    if len(easy):
        out[easy] = fast(windows.rows(easy))
    out[difficult] = windows.rows(np.flatnonzero(difficult)).map_expanded(careful)
    return out


def _mean_one_by_one(part: Expanded) -> Floats:
    values, real = part.values, part.real
    count = real.sum(axis=-1)
    sums = kahan(values, real)
    # An infinite sum of finite values overflowed: dividing first keeps it in range.
    scaled = kahan(values / count[..., None], real)
    overflowed = np.isinf(sums) | np.isnan(sums)
    return np.where(overflowed, scaled, sums / count)


def extreme(windows: Windows, *, pick: np.ufunc) -> Floats:
    """The least or greatest value of each window; NaN only where there is nothing else.

    Runs of a power of two are reduced once; each window is two of them that overlap.
    """
    level_of = np.zeros(max(2, windows.widest + 1), dtype=np.int64)
    level_of[1:] = np.floor(np.log2(np.arange(1, len(level_of)))).astype(np.int64)
    levels = level_of[windows.counts]
    out = np.full(windows.shape, np.nan)
    runs = windows.values
    for level in range(int(levels.max(initial=0)) + 1):
        if level:
            half = 1 << (level - 1)
            runs = pick(runs[:, :-half], runs[:, half:])
        _fill_from_runs(windows, runs, levels == level, 1 << level, pick, out)
    return out


def _fill_from_runs(
    windows: Windows, runs: Floats, chosen: Bools, length: int, pick: np.ufunc, out: Floats
) -> None:
    if not chosen.any():
        return
    last = runs.shape[1] - 1
    left = np.clip(windows.first, 0, last)
    right = np.clip(windows.stop - length, 0, last)
    if windows.is_shared:
        steps = np.flatnonzero(chosen)
        out[:, steps] = pick(runs[:, left[steps]], runs[:, right[steps]])
    else:
        both = pick(take_columns(runs, left), take_columns(runs, right))
        np.copyto(out, both, where=chosen)


def quantile(windows: Windows, phi: Floats) -> Floats:
    """The φ-quantile of each window, interpolated linearly."""

    def compute(part: Expanded) -> Floats:
        return _quantile(phi[part.steps], part.values, part.real)

    return windows.map_expanded(compute)


def _quantile(phi: Floats, values: Floats, real: Bools) -> Floats:
    nans = (np.isnan(values) & real).sum(axis=-1)
    return quantile_of_sorted(phi, np.sort(values, axis=-1), real.sum(axis=-1), nans)


def median_deviation(windows: Windows) -> Floats:
    """The median of the distances from the median of each window."""

    def compute(part: Expanded) -> Floats:
        half = np.full(part.values.shape[1], 0.5)
        median = _quantile(half, part.values, part.real)
        deviation = _quantile(half, np.abs(part.values - median[..., None]), part.real)
        return np.where((np.isnan(part.values) & part.real).any(axis=-1), np.nan, deviation)

    return windows.map_expanded(compute)


def time_of_extreme(windows: Windows, *, sign: float) -> Floats:
    """When each window's greatest (or, with sign -1, least) value was last seen, in seconds."""

    def compute(part: Expanded) -> Floats:
        ranked = np.where(np.isnan(part.values), -np.inf, sign * part.values)
        # Latest first, so that the first of equal values is the latest; NaN counts for nothing
        # unless there is nothing else, and then the last sample is meant.
        position = ranked.shape[-1] - 1 - np.argmax(ranked[..., ::-1], axis=-1)
        position = np.minimum(position, part.real.sum(axis=-1) - 1).clip(min=0)
        times_ms = np.broadcast_to(part.times_ms, part.values.shape)
        return np.take_along_axis(times_ms, position[..., None], axis=-1)[..., 0] / 1000

    return windows.map_expanded(compute)


def double_exponential_smoothing(windows: Windows, smoothing: Floats, trend: Floats) -> Floats:
    """Holt's linear method over each window, with the factors of its step."""

    def compute(part: Expanded) -> Floats:
        return _smooth(part.values, part.real, smoothing[part.steps], trend[part.steps])

    return windows.map_expanded(compute)


def _smooth(values: Floats, real: Bools, smoothing: Floats, trend: Floats) -> Floats:
    level = before = values[..., 0]
    slope = values[..., min(1, values.shape[-1] - 1)] - level
    for position in range(1, values.shape[-1]):
        is_real = real[..., position]
        if position > 1:
            slope = np.where(is_real, trend * (level - before) + (1 - trend) * slope, slope)
        smoothed = smoothing * values[..., position] + (1 - smoothing) * (level + slope)
        before = np.where(is_real, level, before)
        level = np.where(is_real, smoothed, level)
    return level


def _first(windows: Windows) -> Floats:
    return windows.values_at(windows.first_columns)


def _last(windows: Windows) -> Floats:
    return windows.values_at(windows.last_columns)


def _spelled(windows: Windows, values: np.ndarray) -> Floats:
    return np.broadcast_to(values, windows.shape).astype(np.float64)


def _check_factors(_: Evaluation, scalars: list[Floats], __: LabelSets) -> None:
    for kind, factors in zip(("smoothing", "trend"), scalars, strict=True):
        for factor in factors.tolist():
            if factor <= 0 or factor >= 1:
                raise QueryError(f"invalid {kind} factor. Expected: 0 < factor < 1, got: {factor:f}")


def _check_phi(evaluation: Evaluation, scalars: list[Floats], _: LabelSets) -> None:
    warn_of_quantiles(evaluation.annotations, scalars[0])


def _over_time(
    name: str, summary: str, kernel: Callable[..., Floats], *, experimental: bool = False
) -> Function:
    return over_ranges(name, summary, kernel, experimental=experimental)


FUNCTIONS: Final[tuple[Function, ...]] = (
    _over_time("sum_over_time", "Sum of all values in the range.", total),
    _over_time("avg_over_time", "Average of all values in the range.", mean),
    _over_time("min_over_time", "Least value in the range.", partial(extreme, pick=np.fmin)),
    _over_time("max_over_time", "Greatest value in the range.", partial(extreme, pick=np.fmax)),
    _over_time(
        "count_over_time",
        "Number of samples in the range.",
        lambda windows: _spelled(windows, windows.counts),
    ),
    _over_time("stdvar_over_time", "Population variance of the values in the range.", variance),
    _over_time(
        "stddev_over_time",
        "Population standard deviation of the values in the range.",
        lambda windows: np.sqrt(variance(windows)),
    ),
    over_ranges("last_over_time", "Most recent value in the range.", _last, keeps_name=True),
    over_ranges("first_over_time", "Oldest value in the range.", _first, keeps_name=True, experimental=True),
    over_ranges(
        "quantile_over_time",
        "φ-quantile (0 ≤ φ ≤ 1) of the values in the range.",
        quantile,
        arguments=(SCALAR, MATRIX),
        check=_check_phi,
    ),
    _over_time(
        "present_over_time", "1 for every series that has a sample in the range.", lambda w: np.ones(w.shape)
    ),
    _over_time(
        "mad_over_time",
        "Median absolute deviation of the values in the range.",
        median_deviation,
        experimental=True,
    ),
    _over_time(
        "ts_of_min_over_time",
        "Time of the last sample with the least value in the range.",
        partial(time_of_extreme, sign=-1.0),
        experimental=True,
    ),
    _over_time(
        "ts_of_max_over_time",
        "Time of the last sample with the greatest value in the range.",
        partial(time_of_extreme, sign=1.0),
        experimental=True,
    ),
    _over_time(
        "ts_of_first_over_time",
        "Time of the oldest sample in the range.",
        lambda windows: _spelled(windows, windows.times_at(windows.first_columns) / 1000),
        experimental=True,
    ),
    _over_time(
        "ts_of_last_over_time",
        "Time of the most recent sample in the range.",
        lambda windows: _spelled(windows, windows.times_at(windows.last_columns) / 1000),
        experimental=True,
    ),
    over_ranges(
        "double_exponential_smoothing",
        "Value smoothed with a smoothing and a trend factor (0 < factor < 1).",
        double_exponential_smoothing,
        arguments=(MATRIX, SCALAR, SCALAR),
        minimum=2,
        experimental=True,
        check=_check_factors,
    ),
)
