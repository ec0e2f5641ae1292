"""rate, increase, delta and their kin: what happened within a window."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from tocsin.promql.functions.base import Evaluation, Function, over_ranges
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.sums import RunningSums
from tocsin.promql.values import Bools, Floats, Ints
from tocsin.promql.windows import Columns, Expanded, Windows, as_slice, difference_of_columns, take_columns

_CLOSE_ENOUGH: Final = 1.1
"""A window is extrapolated to a boundary nearer than this many average sample intervals."""

_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")


def extrapolated(windows: Windows, *, is_counter: bool, is_rate: bool) -> Floats:
    """The change within each window, extrapolated to the window's boundaries as Prometheus 3 does.

    Counters are corrected for resets and not extrapolated below zero.
    """
    windows = windows.contiguous
    first, last = windows.first_columns, windows.last_columns
    earliest = windows.values_at(first)
    change = difference_of_columns(windows.values, last, first)
    rising = _rising(windows) if is_counter else None
    if rising is not None:
        _add_resets(windows, np.flatnonzero(~rising), change)
    first_ms, last_ms = windows.times_at(first), windows.times_at(last)
    spans = _spans(first_ms, last_ms, windows.counts, windows.ends_ms, windows.range_ms)
    sampled, to_start, to_end = spans
    factor = (sampled + to_start + to_end) / sampled
    if rising is not None:
        rows = _rows_that_may_reach_zero(windows, rising, sampled[windows.counts > 1], to_start)
        _stop_at_zero(earliest, change, rows, spans)
    if is_rate:
        factor = factor / (windows.range_ms / 1000)
    change *= factor
    return change


def extrapolation(
    change: Floats, earliest: Floats | None, ends: tuple[Floats, Floats], counts: Ints, windows: Windows
) -> Floats:
    """What a change between the first and the last sample of each window comes to over the whole window.

    ``ends`` are the times in ms of these samples, ``earliest`` are the first values of counters. All have
    the shape ``(n, k)``; of ``windows`` only the bounds count.
    """
    spans = _spans(*ends, counts, windows.ends_ms, windows.range_ms)
    sampled, to_start, to_end = spans
    change = change.copy()
    if earliest is not None:
        _stop_at_zero(earliest, change, np.arange(len(change)), spans)
    return change * ((sampled + to_start + to_end) / sampled)


def _spans(
    first_ms: Ints | Floats, last_ms: Ints | Floats, counts: Ints, ends_ms: Ints, range_ms: int
) -> tuple[Floats, Floats, Floats]:
    """The seconds between the first and last sample of windows, and those to add before and after them."""
    to_start = (first_ms - (ends_ms - range_ms)) / 1000
    to_end = (ends_ms - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    average = sampled / (counts - 1)
    to_start = np.where(to_start >= average * _CLOSE_ENOUGH, average / 2, to_start)
    to_end = np.where(to_end >= average * _CLOSE_ENOUGH, average / 2, to_end)
    return sampled, to_start, to_end


def _rising(windows: Windows) -> Bools:
    """Which series never fall; those with NaN, or padding behind their samples, are not among them."""
    flat = windows.values.ravel()
    rises = np.ones(windows.values.shape, dtype=bool)
    np.greater_equal(flat[1:], flat[:-1], out=rises.ravel()[:-1])
    return np.asarray(rises[:, :-1].all(axis=1))


def _rows_that_may_reach_zero(windows: Windows, rising: Bools, sampled: Floats, to_start: Floats) -> Ints:
    """The counters that may have started within a window; all that have are among them."""
    lowest, highest = windows.values[:, 0], windows.values[:, -1]
    longest, shortest = to_start.max(initial=0.0), sampled.min(initial=np.inf)
    return np.flatnonzero(~(rising & (lowest * shortest > (highest - lowest) * longest)))


def _stop_at_zero(earliest: Floats, change: Floats, rows: Ints, spans: tuple[Floats, Floats, Floats]) -> None:
    """Take back what extrapolation to a window's start will add below zero.

    ``spans`` are the seconds with samples, and those before and after them.
    """
    gained, start = change[rows], earliest[rows]
    spans_of_rows = [span if span.ndim == 1 else span[rows] for span in spans]
    sampled, to_start, to_end = spans_of_rows
    reaches_zero = (start * sampled < gained * to_start) & (start >= 0) & (gained > 0)
    at_rows, steps = np.divmod(np.flatnonzero(reaches_zero), reaches_zero.shape[1])
    sampled, to_start, to_end = (
        np.broadcast_to(span, gained.shape)[at_rows, steps] for span in spans_of_rows
    )
    gained, start = gained[at_rows, steps], start[at_rows, steps]
    to_zero = sampled * (start / gained)
    change[rows[at_rows], steps] = gained * ((sampled + to_zero + to_end) / (sampled + to_start + to_end))


def _add_resets(windows: Windows, rows: Ints, change: Floats) -> None:
    """Add the values that some series lost by counter resets within each window."""
    if not len(rows):
        return
    values = windows.values[rows]
    before, after = values[:, :-1], values[:, 1:]
    is_reset = after < before
    at_rows, columns = np.divmod(np.flatnonzero(is_reset), is_reset.shape[1])
    if windows.is_shared:
        affected = _steps_with_both(windows, columns)
        if int((affected[1] - affected[0]).sum()) <= change.size // 4:
            _add_to_runs(change, rows[at_rows], affected, before[at_rows, columns])
            return
    part = windows.rows(rows)
    lost = np.zeros(values.shape)
    np.copyto(lost[:, 1:], before, where=is_reset)
    if np.isfinite(lost).all():
        change[rows] += RunningSums(lost).between(*_inner_edges(part))
    else:
        change[rows] += part.map_expanded(_resets_one_by_one)


def _steps_with_both(windows: Windows, columns: Ints) -> tuple[Ints, Ints]:
    """The steps (first, stop) whose windows hold each of some columns and the one after it."""
    first = np.searchsorted(windows.stop, columns + 2)
    stop = np.searchsorted(windows.first, columns, side="right")
    return first, np.maximum(first, stop)


def _add_to_runs(change: Floats, rows: Ints, steps: tuple[Ints, Ints], added: Floats) -> None:
    """Add a number to each of some runs of steps, which may overlap."""
    first, stop = steps
    lengths = stop - first
    places = np.arange(int(lengths.sum())) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
    np.add.at(change, (np.repeat(rows, lengths), places), np.repeat(added, lengths))


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


def _hint_at_gauges(evaluation: Evaluation, _: list[Floats], labels: LabelSets) -> None:
    for name in sorted(labels.metric_names):
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
