"""Sums that keep what plain floating-point addition loses.

Prometheus adds with Kahan's compensation as improved by Neumaier; these give the same answers up
to the last bits for arrays. See Ogita, Rump, Oishi: Accurate Sum and Dot Product (2005).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.promql.values import Bools, Floats, Ints
from tocsin.promql.windows import Columns, take_columns

_OVERFLOW: Final = 2.0**1023
"""The greatest power of two that a double holds."""

_NARROW: Final = 1e3
"""Bounds within such a ratio of each other are close: of 32 digits, 3 more are not counted on."""

_CANCELLED: Final = 1e-10
"""Where a sum is less than this part of what its terms could have come to, the digits that cutting
leaves over may be what counts: they carry 32 digits less those of the number of rows squared."""

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
    """Sum ``(…, rows, steps)`` along the rows; an infinite sum is not compensated."""
    if not values.size:
        return np.zeros((*values.shape[:-2], values.shape[-1]))
    sums = CutSums(*cut_sums(values))
    total = sums.total
    columns = np.flatnonzero(sums.is_doubtful.any(axis=tuple(range(total.ndim - 1))))
    if len(columns):
        total[..., columns] = halved(np.moveaxis(values[..., columns], -2, 0))
    return total


class CutSums:
    """Sums in two parts, and the largest that they could have come to; more can be added."""

    def __init__(self, leading: Floats, rest: Floats, bound: Floats) -> None:
        self._leading = leading
        self._rest = rest
        self._bound = bound
        self._is_empty = np.zeros(len(leading), dtype=bool)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> CutSums:
        """Sums of nothing yet."""
        sums = cls(*np.zeros((3, *shape)))
        sums._is_empty[:] = True
        return sums

    def add(self, places: Ints, leading: Floats, rest: Floats, bound: Floats) -> None:
        """Add sums to those in some places, each of which is named once."""
        is_empty = self._is_empty[places].all()
        self._is_empty[places] = False
        if is_empty:
            self._leading[places], self._rest[places], self._bound[places] = leading, rest, bound
            return
        before = self._leading[places]
        after = before + leading
        self._rest[places] += two_sum_error(before, leading, after) + rest
        self._leading[places] = after
        self._bound[places] = np.maximum(self._bound[places], bound)

    @property
    def total(self) -> Floats:
        """The sums."""
        return np.asarray(self._leading + self._rest)

    @property
    def is_doubtful(self) -> Bools:
        """Where the sum is infinite, or may have lost digits that count; adding one by one then tells."""
        return np.asarray(~(np.abs(self.total) >= self._bound * _CANCELLED))


def cut_sums(values: Floats) -> tuple[Floats, Floats, Floats]:
    """The sum of the leading digits of all rows, which is exact, that of the rest, and a bound of both.

    Adding and subtracting a power of two above any sum cuts all values off at the same digit (Rump,
    Ogita, Oishi: Accurate Floating-Point Summation, 2008). What could overflow gives NaN.
    """
    bound = np.maximum(values.max(axis=-2), -values.min(axis=-2)) * values.shape[-2]
    largest = bound.max()
    # One unit for all is much faster, and leaves enough digits unless magnitudes differ widely.
    is_narrow = largest / _NARROW <= bound.min()
    unit = _power_above(largest) if is_narrow else _power_above(bound)[..., None, :]
    leading = values + unit
    leading -= unit
    total = leading.sum(axis=-2)
    return total, np.subtract(values, leading, out=leading).sum(axis=-2), bound


def _power_above(bound: Floats) -> Floats:
    """Twice the power of two next above; NaN where that could overflow."""
    return np.asarray(np.ldexp(np.where(bound < _OVERFLOW / 4, 2.0, np.nan), np.frexp(bound)[1]))


def halved(values: Floats) -> Floats:
    """Sum along the first axis by adding one half to the other until one row is left."""
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
