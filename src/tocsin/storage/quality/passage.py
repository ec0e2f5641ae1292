"""A batch on its way through the parts, and what they do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import compress
from typing import Final, NamedTuple

import numpy as np

from tocsin.model import Labels, SampleBatch, stale_mask
from tocsin.storage.quality.columns import Mask, Rows, Slots
from tocsin.storage.quality.series import Layout


class Reason(StrEnum):
    """Why a sample was dropped, changed or flagged."""

    ENRICHMENT = "enrichment"
    VALIDATION_TYPE = "validation_type"
    VALIDATION_RANGE = "validation_range"
    VALIDATION_MONOTONIC = "validation_monotonic"
    OUTLIER = "outlier"
    MAX_SERIES = "outlier_max_series"
    SAMPLING_RATIO = "sampling_ratio"
    SAMPLING_INTERVAL = "sampling_interval"


class Outcome(StrEnum):
    """What became of a sample."""

    DROPPED = "dropped"
    CHANGED = "changed"
    FLAGGED = "flagged"
    UNJUDGED = "unjudged"


class Note(NamedTuple):
    """What a rule did to samples of a batch; ``example`` is one of them, as (series, time, value)."""

    place: str
    outcome: Outcome
    reason: Reason
    sample_count: int
    example: tuple[Labels, int, float] | None = None


class Picked(NamedTuple):
    """The samples of a batch that a rule is for, by position, and the slot of each."""

    samples: Rows
    slots: Rows


_NOTHING: Final = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Passage:
    """Samples of one batch; parts drop some, note what they did, and add samples of other series.

    ``stale`` says which are staleness markers, and is None when none is; ``is_single`` says that there is
    at most one sample of each series. ``undo`` holds what takes back what parts have learnt from the
    batch, for when it is not stored.
    """

    batch: SampleBatch
    layout: Layout
    rows: Rows
    stale: Mask | None
    is_single: bool
    dropped: Mask | None = None
    extras: list[tuple[Labels, int, float]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def of(cls, batch: SampleBatch, layout: Layout) -> Passage:
        """A batch of whose series the layout is known."""
        stale = stale_mask(batch.values)
        is_single = layout.is_distinct and int(np.bincount(batch.series_index).max(initial=0)) < 2
        rows = layout.rows[batch.series_index]
        return cls(batch, layout, rows, stale if stale.any() else None, is_single)

    def pick(self, slots: Slots) -> Picked:
        """The samples that a rule is for and that have not been dropped."""
        found = slots.of(self.rows)
        is_picked = found >= 0
        if self.dropped is not None:
            is_picked &= ~self.dropped
        samples = np.flatnonzero(is_picked)
        return Picked(samples, found[samples] if len(samples) else _NOTHING)

    def drop(self, samples: Rows, place: str, reason: Reason) -> None:
        """Leave samples out, and note it."""
        if len(samples):
            if self.dropped is None:
                self.dropped = np.zeros(len(self.rows), dtype=np.bool_)
            self.dropped[samples] = True
            self._note(samples, place, Outcome.DROPPED, reason)

    def flag(self, samples: Rows, place: str, reason: Reason) -> None:
        """Keep samples, but note that something is wrong with them."""
        if len(samples):
            self._note(samples, place, Outcome.FLAGGED, reason)

    def series_of(self, sample: int) -> Labels:
        """The series of a sample, as it will be stored."""
        return self.layout.names[int(self.batch.series_index[sample])]

    def result(self) -> SampleBatch:
        """What is left to be stored; the batch itself when nothing was done to it."""
        kept = self._kept()
        return _with(kept, self.extras) if self.extras else kept

    def _note(self, samples: Rows, place: str, outcome: Outcome, reason: Reason) -> None:
        first = int(samples[0])
        batch = self.batch
        example = self.series_of(first), int(batch.timestamps_ms[first]), float(batch.values[first])
        self.notes.append(Note(place, outcome, reason, len(samples), example))

    def _kept(self) -> SampleBatch:
        batch, names = self.batch, self.layout.names
        if self.dropped is None:
            is_same = self.layout.changed is None
            return (
                batch
                if is_same
                else SampleBatch(names, batch.series_index, batch.timestamps_ms, batch.values)
            )
        kept = np.flatnonzero(~self.dropped)
        series, index = _used(names, batch.series_index[kept])
        return SampleBatch(series, index, batch.timestamps_ms[kept], batch.values[kept])


def _used(names: Sequence[Labels], index: Rows) -> tuple[Sequence[Labels], Rows]:
    """Without the series that have no samples: to a store they would be series all the same."""
    is_used = np.zeros(len(names), dtype=np.bool_)
    is_used[index] = True
    if is_used.all():
        return names, index
    return list(compress(names, is_used.tolist())), (np.cumsum(is_used) - 1)[index]


def _with(batch: SampleBatch, extras: Sequence[tuple[Labels, int, float]]) -> SampleBatch:
    added = SampleBatch.from_samples(extras)
    return SampleBatch(
        [*batch.series, *added.series],
        np.concatenate([batch.series_index, added.series_index + len(batch.series)]),
        np.concatenate([batch.timestamps_ms, added.timestamps_ms]),
        np.concatenate([batch.values, added.values]),
    )
