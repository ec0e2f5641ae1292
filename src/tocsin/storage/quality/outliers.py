"""Outliers: values far from the recent values of their series, marked or dropped.

Beside a marked sample of ``loss`` stands a sample 1 of ``loss:outlier`` with the same labels and time; the
next sample that is none ends that series with a staleness marker. So an instant query says whether
the newest sample is an outlier, and a range holds exactly the outliers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tocsin.model import METRIC_NAME, STALE_NAN, Labels
from tocsin.storage.quality.columns import Column, Mask, Rows, Slots, Times, learning
from tocsin.storage.quality.passage import Note, Outcome, Passage, Reason
from tocsin.storage.quality.rules import OutlierRule
from tocsin.storage.quality.windows import Windows

SUFFIX: Final = ":outlier"


class Outliers:
    """Judges each series by the first rule for it; NaN, infinities and late samples are not judged."""

    def __init__(self, rules: Sequence[OutlierRule]) -> None:
        self._watches = [_Watch(rule) for rule in rules]

    def admit(self, row: int, labels: Labels) -> None:
        """Find the rule for a new row."""
        is_free = not labels.metric_name.endswith(SUFFIX)
        for watch in self._watches:
            is_free = not watch.slots.admit(row, labels, is_free=is_free) and is_free

    def forget(self, rows: Rows) -> None:
        """Forget rows."""
        for watch in self._watches:
            watch.slots.forget(rows)

    def apply(self, passage: Passage) -> None:
        """Mark or drop the samples that are too far away."""
        for watch in self._watches:
            watch.apply(passage)


class _Watch:
    """One rule, and the series that it is for."""

    def __init__(self, rule: OutlierRule) -> None:
        self._rule = rule
        self._windows = Windows(rule.window, rule.min_samples, rule.threshold, rule.min_deviation)
        self._is_marked = Column(0, np.bool_)
        self.slots = Slots(rule.matchers, (*self._windows.columns, self._is_marked), rule.max_series)

    def apply(self, passage: Passage) -> None:
        """Judge what the rule is for; what it says is noted."""
        rule, windows = self._rule, self._windows
        if refused := self.slots.refused(passage.rows):
            passage.notes.append(Note(rule.place, Outcome.UNJUDGED, Reason.MAX_SERIES, refused))
        samples, slots = passage.pick(self.slots)
        with learning(passage.undo, (*windows.state, self._is_marked), slots):
            samples, slots, is_judged = self._judgeable(passage, samples, slots)
            is_far = np.zeros(len(samples), dtype=np.bool_)
            push = windows.push if passage.is_single else windows.push_many
            chosen = samples[is_judged]
            times_ms, values = passage.batch.timestamps_ms[chosen], passage.batch.values[chosen]
            is_far[is_judged] = push(slots[is_judged], times_ms, values)
            windows.time_ms.data[slots] = passage.batch.timestamps_ms[samples]
            if not rule.drops:
                self._mark(passage, samples, slots, is_far)
        far = np.sort(samples[is_far])
        note = passage.drop if rule.drops else passage.flag
        note(far, rule.place, Reason.OUTLIER)

    def _judgeable(self, passage: Passage, samples: Rows, slots: Rows) -> tuple[Rows, Rows, Mask]:
        """The samples that are later than those before, in order of slot and time; which are to be judged.

        The others are staleness markers, which end a mark.
        """
        batch = passage.batch
        is_end = None if passage.stale is None else passage.stale[samples]
        is_used = np.isfinite(batch.values[samples])
        if is_end is not None:
            is_used |= is_end
        is_used &= batch.timestamps_ms[samples] > self._windows.time_ms.data[slots]
        if not is_used.all():
            samples, slots = samples[is_used], slots[is_used]
        if not passage.is_single:
            order = np.lexsort((batch.timestamps_ms[samples], slots))
            samples, slots = samples[order], slots[order]
            is_later = _is_later(slots, batch.timestamps_ms[samples])
            samples, slots = samples[is_later], slots[is_later]
        return samples, slots, np.isfinite(batch.values[samples])

    def _mark(self, passage: Passage, samples: Rows, slots: Rows, is_far: Mask) -> None:
        """Write a mark for each sample that is too far away, and its end at the next that is not."""
        was_far = self._is_marked.data[slots]
        follows = np.flatnonzero(slots[1:] == slots[:-1]) + 1
        was_far[follows] = is_far[follows - 1]
        # Of several samples of a slot the last one counts, which numpy writes last.
        self._is_marked.data[slots] = is_far
        for index in np.flatnonzero(is_far | was_far).tolist():
            sample = int(samples[index])
            value = 1.0 if is_far[index] else STALE_NAN
            passage.extras.append(
                (companion(passage.series_of(sample)), int(passage.batch.timestamps_ms[sample]), value)
            )


def companion(labels: Labels) -> Labels:
    """The series that marks the outliers of another.

    >>> str(companion(Labels({"__name__": "loss", "run": "a"})))
    'loss:outlier{run="a"}'
    """
    return labels.merge({METRIC_NAME: labels.metric_name + SUFFIX})


def _is_later(slots: Rows, times_ms: Times) -> Mask:
    """Which samples are not at the same time as the one before; of those that are the first counts."""
    is_later = np.ones(len(slots), dtype=np.bool_)
    is_later[1:] = (slots[1:] != slots[:-1]) | (times_ms[1:] != times_ms[:-1])
    return is_later
