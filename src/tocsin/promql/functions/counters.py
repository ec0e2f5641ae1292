"""rate, increase, delta and their kin: what happened within a window."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from tocsin.promql.functions.base import Evaluation, Function, over_ranges
from tocsin.promql.sums import RunningSums
from tocsin.promql.values import Floats, Vector
from tocsin.promql.windows import Columns, Expanded, Windows, as_slice, take_columns

_CLOSE_ENOUGH: Final = 1.1
"""A window is extrapolated to a boundary nearer than this many average sample intervals."""

_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")


def extrapolated(windows: Windows, *, is_counter: bool, is_rate: bool) -> Floats:
    """The change within each window, extrapolated to the window's boundaries as Prometheus 3 does.

    Counters are corrected for resets and not extrapolated below zero.
    """
    first, last = windows.first_columns, windows.last_columns
    earliest = windows.values_at(first)
    change = windows.values_at(last) - earliest
    if is_counter:
        _add_resets(windows, change)
    first_ms, last_ms = windows.times_at(first), windows.times_at(last)
    to_start = (first_ms - (windows.ends_ms - windows.range_ms)) / 1000
    to_end = (windows.ends_ms - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    average = sampled / (windows.counts - 1)
    to_start = np.where(to_start >= average * _CLOSE_ENOUGH, average / 2, to_start)
    to_end = np.where(to_end >= average * _CLOSE_ENOUGH, average / 2, to_end)
    factor = (sampled + to_start + to_end) / sampled
    if is_counter and _may_reach_zero(earliest, change, sampled[windows.counts > 1], to_start):
        to_zero = sampled * (earliest / change)
        reaches_zero = (change > 0) & (earliest >= 0) & (to_zero < to_start)
        factor = np.where(reaches_zero, (sampled + to_zero + to_end) / sampled, factor)
    if is_rate:
        factor = factor / (windows.range_ms / 1000)
    change *= factor
    return change


def _may_reach_zero(earliest: Floats, change: Floats, sampled: Floats, to_start: Floats) -> bool:
    """Whether some counter may have started within its window; False only when none has."""
    lowest = earliest.min(initial=np.inf) * sampled.min(initial=np.inf)
    return not lowest > change.max(initial=0.0) * to_start.max(initial=0.0)


def _add_resets(windows: Windows, change: Floats) -> None:
    """Add the values lost by counter resets within each window."""
    before, after = windows.values[:, :-1], windows.values[:, 1:]
    is_reset = after < before
    rows = np.flatnonzero(is_reset.any(axis=1))
    if not len(rows):
        return
    part = windows.rows(rows)
    lost = np.zeros(part.values.shape)
    np.copyto(lost[:, 1:], before[rows], where=is_reset[rows])
    if np.isfinite(lost).all():
        change[rows] += RunningSums(lost).between(*_inner_edges(part))
    else:
        change[rows] += part.map_expanded(_resets_one_by_one)


def _inner_edges(windows: Windows) -> tuple[Columns, Columns]:
    """Bounds of all samples but each window's first."""
    second = np.minimum(windows.first + 1, windows.stop)
    return as_slice(second), as_slice(windows.stop)


def _resets_one_by_one(part: Expanded) -> Floats:
    before, after = part.values[..., :-1], part.values[..., 1:]
    lost: Floats = np.where(after < before, before, 0.0).sum(axis=-1)
    return lost


def instantaneous(windows: Windows, *, is_counter: bool) -> Floats:
    """The change between the last two samples of each window; per second for counters."""
    columns = windows.stop - 1
    last, previous = np.maximum(columns, 0), np.maximum(columns - 1, 0)
    latest, before = windows.values_at(last), windows.values_at(previous)
    change = latest - before
    if not is_counter:
        return change
    change = np.where(latest < before, latest, change)
    return change / ((windows.times_at(last) - windows.times_at(previous)) / 1000)


def count_pairs(windows: Windows, *, is_reset: bool) -> Floats:
    """How often the value fell (a reset) or became another within each window."""
    before, after = windows.values[:, :-1], windows.values[:, 1:]
    is_change = (after != before) & ~(np.isnan(after) & np.isnan(before))
    counted = after < before if is_reset else is_change
    running = np.zeros((len(windows.values), windows.values.shape[1]))
    np.cumsum(counted, axis=1, out=running[:, 1:])
    return _gained(windows, running)


def _gained(windows: Windows, running: Floats) -> Floats:
    """What a running count gained from the first to the last sample of each window."""
    return take_columns(running, windows.last_columns) - take_columns(running, windows.first_columns)


def _hint_at_gauges(evaluation: Evaluation, _: list[Floats], vector: Vector) -> None:
    if not len(vector.labels):
        return
    for name in sorted(vector.labels.metric_names):
        if name and not name.endswith(_COUNTER_SUFFIXES):
            evaluation.annotations.info(
                f'metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "{name}"'
            )


FUNCTIONS: Final[tuple[Function, ...]] = (
    over_ranges(
        "rate",
        "Per-second average increase of a counter over the range.",
        partial(extrapolated, is_counter=True, is_rate=True),
        minimum=2,
        check=_hint_at_gauges,
    ),
    over_ranges(
        "increase",
        "Increase of a counter over the range.",
        partial(extrapolated, is_counter=True, is_rate=False),
        minimum=2,
        check=_hint_at_gauges,
    ),
    over_ranges(
        "delta",
        "Difference between the first and last value of a gauge over the range, extrapolated to its ends.",
        partial(extrapolated, is_counter=False, is_rate=False),
        minimum=2,
    ),
    over_ranges(
        "irate",
        "Per-second increase of a counter between the last two samples of the range.",
        partial(instantaneous, is_counter=True),
        minimum=2,
    ),
    over_ranges(
        "idelta",
        "Difference between the last two samples of the range.",
        partial(instantaneous, is_counter=False),
        minimum=2,
    ),
    over_ranges(
        "changes", "How often the value changed within the range.", partial(count_pairs, is_reset=False)
    ),
    over_ranges(
        "resets", "How often the counter was reset within the range.", partial(count_pairs, is_reset=True)
    ),
)
