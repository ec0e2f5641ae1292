"""From samples to summaries, and from summaries back to what stands for the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tocsin.model import STALE_NAN, SUMMARY_FIELDS, stale_mask
from tocsin.storage.runs import Floats, Ints, Mask, Runs


@dataclass(frozen=True, slots=True)
class SummaryRows:
    """Summaries one behind the other; ``fields`` are some or all of model.SUMMARY_FIELDS."""

    series_ids: Ints
    ends_ms: Ints
    fields: Mapping[str, Floats]

    def take(self, rows: Mask | Ints) -> SummaryRows:
        """Some of them."""
        fields = {name: column[rows] for name, column in self.fields.items()}
        return SummaryRows(self.series_ids[rows], self.ends_ms[rows], fields)


def no_summaries() -> SummaryRows:
    """Summaries of nothing."""
    empty: Ints = np.empty(0, dtype=np.int64)
    return SummaryRows(empty, empty, dict.fromkeys(SUMMARY_FIELDS, np.empty(0)))


def joined_summaries(first: SummaryRows, second: SummaryRows) -> SummaryRows:
    """Those of both, sorted by series and end."""
    series_ids = np.concatenate([first.series_ids, second.series_ids])
    ends_ms = np.concatenate([first.ends_ms, second.ends_ms])
    fields = {name: np.concatenate([column, second.fields[name]]) for name, column in first.fields.items()}
    return SummaryRows(series_ids, ends_ms, fields).take(np.lexsort((ends_ms, series_ids)))


def summarise(runs: Runs, resolution_ms: int) -> SummaryRows:
    """Summarise samples by intervals ``end - resolution < t <= end``; see model.SUMMARY_FIELDS.

    An interval in which there is nothing but staleness markers has a summary as well, with a count of 0.

    >>> runs = Runs(np.array([7]), np.array([3]), np.array([10, 20, 30]), np.array([1.0, 4.0, 2.0]))
    >>> rows = summarise(runs, 100)
    >>> rows.ends_ms.tolist(), rows.fields["sum"].tolist(), rows.fields["increase"].tolist()
    ([100], [7.0], [5.0])
    """
    if not len(runs.values):
        return no_summaries()
    series_ids = np.repeat(runs.series_ids, runs.lengths)
    ends_ms = -(-runs.timestamps_ms // resolution_ms) * resolution_ms
    starts = np.flatnonzero(_begins(series_ids, ends_ms))
    lasts = np.append(starts[1:], len(ends_ms)) - 1
    stale = stale_mask(runs.values)
    fields = {name: np.full(len(starts), np.nan) for name in SUMMARY_FIELDS}
    fields["ended"] = stale[lasts].astype(np.float64)
    fields["count"] = np.zeros(len(starts))
    real = ~stale
    if real.any():
        interval = np.repeat(np.arange(len(starts)), lasts - starts + 1)[real]
        _fill(fields, interval, runs.timestamps_ms[real], runs.values[real])
    return SummaryRows(series_ids[starts], ends_ms[starts], fields)


def _begins(series_ids: Ints, ends_ms: Ints) -> Mask:
    begins = np.ones(len(ends_ms), dtype=np.bool_)
    begins[1:] = (series_ids[1:] != series_ids[:-1]) | (ends_ms[1:] != ends_ms[:-1])
    return begins


def _fill(fields: dict[str, Floats], interval: Ints, times_ms: Ints, values: Floats) -> None:
    """Fill in what the samples of each interval, sorted by interval and time, come to."""
    starts = np.flatnonzero(np.r_[True, interval[1:] != interval[:-1]])
    lasts = np.append(starts[1:], len(values)) - 1
    counts = (lasts - starts + 1).astype(np.float64)
    at = interval[starts]
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(values, starts)
        means = np.repeat(sums / counts, counts.astype(np.int64))
        filled = {
            "count": counts,
            "sum": sums,
            "min": np.fmin.reduceat(values, starts),
            "max": np.fmax.reduceat(values, starts),
            "first": values[starts],
            "last": values[lasts],
            "first_ms": times_ms[starts].astype(np.float64),
            "last_ms": times_ms[lasts].astype(np.float64),
            "increase": values[lasts] - values[starts] + _lost(interval, values, starts),
            "deviations": np.add.reduceat((values - means) ** 2, starts),
        }
    for name, column in filled.items():
        fields[name][at] = column


def _lost(interval: Ints, values: Floats, starts: Ints) -> Floats:
    """What counters lost by resets within each interval."""
    lost = np.zeros(len(values))
    is_reset = (interval[1:] == interval[:-1]) & (values[1:] < values[:-1])
    lost[1:][is_reset] = values[:-1][is_reset]
    return np.add.reduceat(lost, starts)


def representatives(rows: SummaryRows) -> tuple[Ints, Ints, Floats]:
    """Series, times and values of what stands for the samples of each interval.

    That is the last of them, at its time; and where the series ended, a staleness marker at the end of
    the interval. Sorted as the summaries are.
    """
    known, ended = rows.fields["count"] > 0, rows.fields["ended"] > 0
    last_ms = np.where(known, rows.fields["last_ms"], 0).astype(np.int64)
    times_ms = np.stack([last_ms, rows.ends_ms], axis=1)
    values = np.stack([rows.fields["last"], np.full(len(known), STALE_NAN)], axis=1)
    wanted = np.stack([known, ended], axis=1)
    return np.repeat(rows.series_ids, wanted.sum(axis=1)), times_ms[wanted], values[wanted]
