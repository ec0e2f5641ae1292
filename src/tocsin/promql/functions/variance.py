"""The population variance of each window, precise whatever the level and drift of the values."""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.promql.values import Bools, Floats
from tocsin.promql.windows import EXPANDED_VALUES, Expanded, Windows

_DOUBTFUL: Final = 1e-5
"""Where the squares within a window are less than this part of those around it, the difference of
running sums has lost more than 11 of a double's 16 digits and is computed anew."""


def variance(windows: Windows) -> Floats:
    """The mean squared distance from the mean, of each window."""
    if not windows.is_shared or windows.is_cheap_to_write_out:
        return windows.map_expanded(_directly)
    out = np.empty(windows.shape)
    for steps, part in windows.local_parts():
        out[:, steps] = _from_running_sums(part) if part.values.shape[1] else np.nan
    return out


def _from_running_sums(windows: Windows) -> Floats:
    distances = windows.values - windows.values[:, windows.values.shape[1] // 2, None]
    squares = distances * distances
    around = squares.sum(axis=1, keepdims=True)
    within = _between(squares, windows) - _between(distances, windows) ** 2 / windows.counts
    doubtful = ~(within > _DOUBTFUL * around) & (around != 0) & (windows.counts > 1)
    result: Floats = np.where(windows.counts == 1, windows.values_at(windows.first_columns) * 0, within)
    result /= windows.counts
    rows, steps = np.nonzero(doubtful)
    for part in np.array_split(np.arange(len(rows)), len(rows) * windows.widest // EXPANDED_VALUES + 1):
        if len(part):
            cells = windows.cells(rows[part], steps[part])
            result[rows[part], steps[part]] = variance_along(*cells)
    return result


def _between(values: Floats, windows: Windows) -> Floats:
    running = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    first, stop = windows.edges
    return running[:, stop] - running[:, first]


def _directly(part: Expanded) -> Floats:
    return variance_along(part.values, part.real)


def variance_along(values: Floats, real: Bools) -> Floats:
    """The variance along the last axis of what is real, which begins with at least one sample."""
    # Relative to the first value, equal values have a variance of exactly zero.
    distances = np.where(real, values - values[..., :1], 0.0)
    count = real.sum(axis=-1)
    mean = distances.sum(axis=-1) / count
    distances = np.where(real, distances - mean[..., None], 0.0)
    return np.asarray((distances * distances).sum(axis=-1) / count)
