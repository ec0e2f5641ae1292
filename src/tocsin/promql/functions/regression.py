"""deriv and predict_linear: a straight line through each window by least squares."""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.promql.functions.base import MATRIX, SCALAR, Function, over_ranges
from tocsin.promql.values import Floats
from tocsin.promql.windows import Expanded, Windows


def slope(windows: Windows) -> Floats:
    """Change per second of the line through each window."""
    return _fit(windows)[0]


def predict(windows: Windows, ahead_s: Floats) -> Floats:
    """Value of the line through each window so many seconds after the evaluation."""
    slopes, intercepts = _fit(windows)
    return slopes * ahead_s + intercepts


def _fit(windows: Windows) -> tuple[Floats, Floats]:
    """Slope per second and value at the time of evaluation, of each window."""
    slopes, intercepts = np.empty(windows.shape), np.empty(windows.shape)
    if not windows.is_shared or windows.is_cheap_to_write_out:
        _fit_expanded(windows, slopes, intercepts)
        return slopes, intercepts
    for steps, part in windows.local_parts():
        if part.values.shape[1]:
            _fit_local(part, slopes[:, steps], intercepts[:, steps])
    return slopes, intercepts


def _fit_local(windows: Windows, slopes: Floats, intercepts: Floats) -> None:
    finite = np.isfinite(windows.values).all(axis=1)
    rows = np.flatnonzero(finite)
    slopes[rows], intercepts[rows] = _from_running_sums(windows.rows(rows))
    if not finite.all():
        rows = np.flatnonzero(~finite)
        part = windows.rows(rows)
        exact_slopes, exact_intercepts = np.empty(part.shape), np.empty(part.shape)
        _fit_expanded(part, exact_slopes, exact_intercepts)
        slopes[rows], intercepts[rows] = exact_slopes, exact_intercepts


def _from_running_sums(windows: Windows) -> tuple[Floats, Floats]:
    middle = windows.values.shape[1] // 2
    origin_ms = windows.timestamps_ms[middle]
    x = ((windows.timestamps_ms - origin_ms) / 1000)[None, :]
    origin = windows.values[:, middle, None]
    y = windows.values - origin
    count = windows.counts
    mean_x, mean_y = _between(x, windows) / count, _between(y, windows) / count
    covariance = _between(x * y, windows) - mean_x * mean_y * count
    slopes = covariance / (_between(x * x, windows) - mean_x * mean_x * count)
    changes = np.zeros(windows.values.shape)
    np.cumsum(windows.values[:, 1:] != windows.values[:, :-1], axis=1, out=changes[:, 1:])
    is_level = changes[:, windows.last_columns] == changes[:, windows.first_columns]
    slopes = np.where(is_level, 0.0, slopes)
    at_s = (windows.times_ms - origin_ms) / 1000
    line = origin + mean_y + slopes * (at_s - mean_x)
    return slopes, np.where(is_level, windows.values_at(windows.first_columns), line)


def _between(values: Floats, windows: Windows) -> Floats:
    running = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    first, stop = windows.edges
    return running[:, stop] - running[:, first]


def _fit_expanded(windows: Windows, slopes: Floats, intercepts: Floats) -> None:
    for part in windows.expanded():
        slopes[part.rows, part.steps], intercepts[part.rows, part.steps] = _directly(part)


def _directly(part: Expanded) -> tuple[Floats, Floats]:
    real, count = part.real, part.real.sum(axis=-1)
    first_ms = part.times_ms[..., :1]
    x = np.where(real, (part.times_ms - first_ms) / 1000, 0.0)
    origin = part.values[..., 0]
    y = np.where(real, part.values - origin[..., None], 0.0)
    mean_x, mean_y = x.sum(axis=-1) / count, y.sum(axis=-1) / count
    distance_x = np.where(real, x - mean_x[..., None], 0.0)
    slopes = (distance_x * y).sum(axis=-1) / (distance_x * distance_x).sum(axis=-1)
    is_level = (~real | (part.values == part.values[..., :1])).all(axis=-1) & np.isfinite(origin)
    is_finite = (~real | np.isfinite(part.values)).all(axis=-1)
    slopes = np.where(is_level, 0.0, np.where(is_finite, slopes, np.nan))
    at_s = (part.windows.times_ms - first_ms[..., 0]) / 1000
    return slopes, np.where(is_level, origin, origin + mean_y + slopes * (at_s - mean_x))


FUNCTIONS: Final[tuple[Function, ...]] = (
    over_ranges(
        "deriv", "Per-second derivative of a gauge, by linear regression over the range.", slope, minimum=2
    ),
    over_ranges(
        "predict_linear",
        "Value of a gauge so many seconds from now, by linear regression over the range.",
        predict,
        arguments=(MATRIX, SCALAR),
        minimum=2,
    ),
)
