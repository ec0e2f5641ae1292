"""Functions of ranges, computed from summaries of the samples rather than from the samples.

Where a window is made of whole intervals the answers are those that the samples would have given, but for
the rounding of floating-point numbers. A function that is not in the table sees the last sample of each
interval instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from tocsin.promql.functions.base import SummaryKernel
from tocsin.promql.functions.counters import extrapolation
from tocsin.promql.functions.over_time import extreme, total
from tocsin.promql.summary_windows import SummaryWindows
from tocsin.promql.values import Floats, Ints
from tocsin.promql.windows import take_columns


def _mean(windows: SummaryWindows) -> Floats:
    return total(windows["sum"]) / windows.counts


def _variance(windows: SummaryWindows) -> Floats:
    """The variance within the intervals and that between their means, taken together.

    Means are taken relative to one near them, which keeps the precision of the difference of squares.
    """
    sums, counts = windows["sum"], windows["count"]
    means = sums.values / counts.values
    distances = means - np.nan_to_num(means[:, :1], posinf=0.0, neginf=0.0)
    moment = total(sums.with_values(counts.values * distances))
    squares = total(sums.with_values(counts.values * distances**2))
    between = squares - moment**2 / windows.counts
    return (total(windows["deviations"]) + np.maximum(between, 0.0)) / windows.counts


def _deviation(windows: SummaryWindows) -> Floats:
    return np.sqrt(_variance(windows))


def _first(windows: SummaryWindows, *, field: str) -> Floats:
    return windows[field].values_at(windows[field].first_columns)


def _last(windows: SummaryWindows, *, field: str) -> Floats:
    return windows[field].values_at(windows[field].last_columns)


def _counted(windows: SummaryWindows) -> Floats:
    return windows.counts.astype(np.float64)


def _present(windows: SummaryWindows) -> Floats:
    return np.ones(windows.shape)


def _seconds(windows: SummaryWindows, *, pick: Callable[..., Floats], field: str) -> Floats:
    return pick(windows, field=field) / 1000


def _extrapolated(windows: SummaryWindows, *, is_counter: bool, is_rate: bool) -> Floats:
    """The change within each window, extrapolated to its bounds as counters.extrapolated does."""
    earliest, latest = _first(windows, field="first"), _last(windows, field="last")
    change = latest - earliest
    if is_counter:
        change += _lost(windows)
    ends = _first(windows, field="first_ms"), _last(windows, field="last_ms")
    starts = earliest if is_counter else None
    change = extrapolation(change, starts, ends, windows.counts, windows["last"])
    return change / (windows.seconds if is_rate else windows.seconds / windows.asked_seconds)


def _lost(windows: SummaryWindows) -> Floats:
    """What counters lost by resets, within the intervals of each window and between them."""
    first, last = windows["first"], windows["last"]
    within = windows["increase"].values - (last.values - first.values)
    between = np.zeros(within.shape)
    before, after = last.values[:, :-1], first.values[:, 1:]
    between[:, 1:] = np.where(after < before, before, 0.0)
    inside = total(first.with_values(within))
    # What was lost before the first interval of a window was lost outside of it.
    begin = np.minimum(first.first + 1, first.stop)
    return inside + _gained(between, begin, first.stop)


def _gained(values: Floats, first: Ints, stop: Ints) -> Floats:
    running = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    return take_columns(running, stop) - take_columns(running, first)


def _of_ends(compute: Callable[[SummaryWindows], Floats]) -> SummaryKernel:
    fields = ("count", "first", "last", "first_ms", "last_ms", "increase")
    return SummaryKernel(fields, compute)


SUMMARY_KERNELS: Final[Mapping[str, SummaryKernel]] = MappingProxyType(
    {
        "avg_over_time": SummaryKernel(("count", "sum"), _mean),
        "count_over_time": SummaryKernel(("count",), _counted),
        "delta": _of_ends(partial(_extrapolated, is_counter=False, is_rate=False)),
        "first_over_time": SummaryKernel(("count", "first"), partial(_first, field="first")),
        "increase": _of_ends(partial(_extrapolated, is_counter=True, is_rate=False)),
        "last_over_time": SummaryKernel(("count", "last"), partial(_last, field="last")),
        "max_over_time": SummaryKernel(("count", "max"), lambda w: extreme(w["max"], pick=np.fmax)),
        "min_over_time": SummaryKernel(("count", "min"), lambda w: extreme(w["min"], pick=np.fmin)),
        "present_over_time": SummaryKernel(("count",), _present),
        "rate": _of_ends(partial(_extrapolated, is_counter=True, is_rate=True)),
        "stddev_over_time": SummaryKernel(("count", "sum", "deviations"), _deviation),
        "stdvar_over_time": SummaryKernel(("count", "sum", "deviations"), _variance),
        "sum_over_time": SummaryKernel(("count", "sum"), lambda w: total(w["sum"])),
        "ts_of_first_over_time": SummaryKernel(
            ("count", "first_ms"), partial(_seconds, pick=_first, field="first_ms")
        ),
        "ts_of_last_over_time": SummaryKernel(
            ("count", "last_ms"), partial(_seconds, pick=_last, field="last_ms")
        ),
    }
)
"""The functions that summaries answer."""
