"""From the store's columns to instant vectors and windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tocsin.model import Columns, Summaries, stale_mask
from tocsin.model.columns import PADDING_MS
from tocsin.promql.functions.base import RangeVector, SummaryVector
from tocsin.promql.labelsets import LabelSets, LabelSetsCache
from tocsin.promql.limits import Budget
from tocsin.promql.summary_windows import SummaryWindows
from tocsin.promql.values import Bools, Floats, Ints, Vector, empty_vector, is_common
from tocsin.promql.windows import Windows, as_slice, last_at_or_before, take_columns


def instant_values(
    blocks: Sequence[Columns],
    times_ms: Ints,
    lookback_ms: int,
    *,
    cache: LabelSetsCache,
    budget: Budget,
    as_times: bool = False,
) -> Vector:
    """The latest sample of each series within the lookback, at each time; stale ones are absent.

    With ``as_times`` the times of the samples, in seconds, instead of their values.
    """
    blocks = [block for block in blocks if block.values.size]
    if not blocks:
        return empty_vector(len(times_ms))
    budget.hold(sum(len(block.labels) for block in blocks) * len(times_ms))
    parts = [_look_up(block, times_ms, lookback_ms, as_times=as_times) for block in blocks]
    labels = cache.of([block.labels for block in blocks])
    if len(parts) == 1:
        values, present = parts[0]
    else:
        values = np.concatenate([part for part, _ in parts])
        present = _joined(parts)
    vector = Vector(labels, values)
    return vector if present is None else vector.with_present(present)


def _joined(parts: Sequence[tuple[Floats, Bools | None]]) -> Bools | None:
    """The masks of several blocks as one; None when everything exists."""
    masks = [np.broadcast_to(True if mask is None else mask, part.shape) for part, mask in parts]
    if all(is_common(mask) and (mask[0] == masks[0][0]).all() for mask in masks):
        rows = sum(map(len, masks))
        return None if masks[0][0].all() else np.broadcast_to(masks[0][:1], (rows, masks[0].shape[1]))
    return np.concatenate(masks)


def _look_up(
    block: Columns, times_ms: Ints, lookback_ms: int, *, as_times: bool
) -> tuple[Floats, Bools | None]:
    latest = last_at_or_before(block.timestamps_ms, times_ms) - 1
    known = np.maximum(latest, 0)
    columns = as_slice(known)
    if block.is_shared:
        sample_times_ms = block.timestamps_ms[known]
    else:
        sample_times_ms = np.take_along_axis(block.timestamps_ms, known, axis=1)
    fresh = (latest >= 0) & (sample_times_ms > times_ms - lookback_ms)
    values = take_columns(block.values, columns)
    present: Bools | None = None if fresh.all() else np.broadcast_to(fresh, values.shape)
    if block.has_stale:
        stale = stale_mask(np.ascontiguousarray(values))
        if stale.any():
            present = ~stale if present is None else present & ~stale
    if as_times:
        values = np.broadcast_to(sample_times_ms / 1000, values.shape)
    return values, present


def range_windows(
    blocks: Sequence[Columns],
    ends_ms: Ints,
    range_ms: int,
    times_ms: Ints,
    *,
    cache: LabelSetsCache,
    budget: Budget,
) -> RangeVector:
    """The samples within a range before each end, without staleness markers."""
    blocks = [block for block in blocks if block.values.size]
    if not blocks:
        return RangeVector(LabelSets([]), [])
    windows: list[tuple[Windows, slice | Ints]] = []
    offset = 0
    for block in blocks:
        for part, rows in _without_stale(block):
            if part.values.size:
                place = slice(offset, offset + len(block.labels)) if rows is None else rows + offset
                windows.append((Windows.over(part, ends_ms, range_ms, times_ms, budget), place))
        offset += len(block.labels)
    return RangeVector(cache.of([block.labels for block in blocks]), windows)


def summary_windows(
    blocks: Sequence[Summaries],
    ends_ms: Ints,
    ranges_ms: tuple[int, int],
    times_ms: Ints,
    *,
    cache: LabelSetsCache,
    budget: Budget,
) -> SummaryVector:
    """The summaries within a range before each end; ``ranges_ms`` is what was asked for, and what it is."""
    if not blocks:
        return SummaryVector(LabelSets([]), [])
    asked_ms, range_ms = ranges_ms
    windows: list[tuple[SummaryWindows, slice]] = []
    offset = 0
    for block in blocks:
        over = SummaryWindows.over(block, ends_ms, range_ms, times_ms, asked_ms=asked_ms, budget=budget)
        windows.append((over, slice(offset, offset + len(block.labels))))
        offset += len(block.labels)
    return SummaryVector(cache.of([block.labels for block in blocks]), windows)


def _without_stale(block: Columns) -> list[tuple[Columns, Ints | None]]:
    """Take staleness markers out: the series that have some become ragged, the others stay as they are.

    Returns blocks and which of the series each holds; None is all.
    """
    if not block.has_stale:
        return [(block, None)]
    stale = stale_mask(np.ascontiguousarray(block.values))
    marked = stale.any(axis=1)
    rows = np.flatnonzero(marked)
    if not len(rows):
        return [(block, None)]
    parts: list[tuple[Columns, Ints | None]] = [(compacted(_rows(block, rows), ~stale[rows]), rows)]
    if len(rows) < len(block.labels):
        clean = np.flatnonzero(~marked)
        parts.append((_rows(block, clean), clean))
    return parts


def _rows(block: Columns, rows: Ints) -> Columns:
    return Columns(
        [block.labels[row] for row in rows.tolist()],
        block.timestamps_ms if block.is_shared else block.timestamps_ms[rows],
        block.values[rows],
        None if block.lengths is None else block.lengths[rows],
    )


def compacted(block: Columns, real: Bools) -> Columns:
    """Only the samples that are real, as a ragged block."""
    if block.lengths is not None:
        real = real & (np.arange(real.shape[1]) < block.lengths[:, None])
    lengths = real.sum(axis=1)
    columns = np.argsort(~real, axis=1, kind="stable")[:, : int(lengths.max(initial=0))]
    padding = np.arange(columns.shape[1]) >= lengths[:, None]
    times_ms = np.broadcast_to(block.timestamps_ms, real.shape)
    return Columns(
        block.labels,
        np.where(padding, PADDING_MS, np.take_along_axis(times_ms, columns, axis=1)),
        np.where(padding, np.nan, np.take_along_axis(block.values, columns, axis=1)),
        lengths,
        has_stale=False,
    )
