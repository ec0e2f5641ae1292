"""Sums that keep what plain floating-point addition loses.

Prometheus adds with Kahan's compensation as improved by Neumaier; these give the same answers up
to the last bits for arrays. See Ogita, Rump, Oishi: Accurate Sum and Dot Product (2005).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.promql.values import Bools, Floats
from tocsin.promql.windows import CHUNK_VALUES, Columns, take_columns

_SPREAD: Final = 1e20
"""Beyond this ratio of magnitudes within a series, differences of running sums lose small values:
two doubles carry 32 digits, of which results shall keep at least 10 after rounding errors."""


def two_sum_error(a: Floats, b: Floats, total: Floats) -> Floats:
    """What ``total = a + b`` lost (Knuth's TwoSum)."""
    part = total - a
    return (a - (total - part)) + (b - part)


def kahan(values: Floats, real: Bools | None = None) -> Floats:
    """Sum along the last axis one by one, as Prometheus does, leaving out what is not real."""
    total = np.zeros(values.shape[:-1])
    lost = np.zeros(values.shape[:-1])
    for position in range(values.shape[-1]):
        value = values[..., position]
        if real is not None:
            value = np.where(real[..., position], value, 0.0)
        new = total + value
        lost += np.where(np.isinf(new), -lost, two_sum_error(total, value, new))
        total = new
    return np.where(np.isinf(total), total, total + lost)


def compensated_sum(values: Floats) -> Floats:
    """Sum along the first axis; an infinite sum is not compensated."""
    rows, steps = len(values), values.shape[-1]
    out = np.zeros(values.shape[1:])
    chunk = max(1, CHUNK_VALUES * steps // max(1, values.size))
    for start in range(0, steps if rows else 0, chunk):
        out[..., start : start + chunk] = _halved(values[..., start : start + chunk])
    return out


def _halved(values: Floats) -> Floats:
    """Add one half of the rows to the other until one is left."""
    lost = np.zeros((len(values), *(1,) * (values.ndim - 1)))
    while len(values) > 1:
        half = len(values) // 2
        left, right = values[:half], values[half : 2 * half]
        total = left + right
        error = two_sum_error(left, right, total)
        error += lost[:half]
        error += lost[half : 2 * half]
        if len(values) % 2:
            total = np.concatenate((total, values[-1:]))
            error = np.concatenate((error, np.broadcast_to(lost[-1:], values[-1:].shape)))
        values, lost = total, error
    return np.asarray(np.where(np.isfinite(values[0]), values[0] + lost[0], values[0]))


class RunningSums:
    """Sums over any run of columns as the difference of two running sums, each in two parts."""

    def __init__(self, values: Floats) -> None:
        rows, columns = values.shape
        self._total = np.zeros((rows, columns + 1))
        np.cumsum(values, axis=1, out=self._total[:, 1:])
        self._lost = np.zeros((rows, columns + 1))
        errors = two_sum_error(self._total[:, :-1], values, self._total[:, 1:])
        np.cumsum(errors, axis=1, out=self._lost[:, 1:])

    def between(self, first: Columns, stop: Columns) -> Floats:
        """The sums of columns ``first`` to ``stop``, without the latter."""
        total = take_columns(self._total, stop) - take_columns(self._total, first)
        total += take_columns(self._lost, stop) - take_columns(self._lost, first)
        return total


_LARGE: Final = 1e290
"""Running sums of up to a billion values below this do not overflow."""


def needs_care(values: Floats) -> Bools:
    """Which rows running sums cannot serve: NaN, infinities, huge or wildly different magnitudes."""
    magnitude = np.abs(values)
    largest = magnitude.max(axis=1, initial=0.0)
    smallest = np.where(magnitude == 0, np.inf, magnitude).min(axis=1, initial=np.inf)
    is_wide: Bools = ~(largest <= smallest * _SPREAD) & (largest != 0)
    return np.asarray(is_wide | ~(largest < _LARGE))
