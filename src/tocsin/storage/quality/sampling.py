"""Sampling: at most one sample of a series in each interval, and only a share of the series.

Intervals are those between multiples of ``keep_every`` since 1970, so series that are sampled together stay
together. Of each the first sample is kept, and any that repeats its time. A sample from an
earlier interval than the newest one that was kept is late: of these the first of each interval
and batch is kept. Staleness markers always pass, and what follows one is kept.

A share is taken of series by a hash of their labels, so it is the same series after a restart and in other
processes. ``le``, ``quantile`` and the endings of a histogram's names are not part of it: a histogram is kept
as a whole or not at all. What is not in the share leaves no trace, staleness markers included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from tocsin.model import METRIC_NAME, Labels
from tocsin.storage.quality.columns import LONG_AGO_MS, Column, Mask, Rows, Slots, Times, learning
from tocsin.storage.quality.passage import Passage, Reason
from tocsin.storage.quality.rules import SamplingRule

_PARTS_OF_A_FAMILY: Final = frozenset({"le", "quantile"})
_ENDINGS_OF_A_FAMILY: Final = ("_bucket", "_count", "_sum")
_HASH_BYTES: Final = 8


class Sampling:
    """Thins each series by the first rule that is for it."""

    def __init__(self, rules: Sequence[SamplingRule]) -> None:
        self._thinnings = [_Thinning(rule) for rule in rules]

    def admit(self, row: int, labels: Labels) -> None:
        """Find the rule for a new row."""
        is_free = True
        for thinning in self._thinnings:
            is_free = not thinning.admit(row, labels, is_free=is_free) and is_free

    def forget(self, rows: Rows) -> None:
        """Forget rows."""
        for thinning in self._thinnings:
            thinning.slots.forget(rows)

    def apply(self, passage: Passage) -> None:
        """Drop what the rules say."""
        for thinning in self._thinnings:
            thinning.apply(passage)


class _Thinning:
    """One rule, and the series that it is for."""

    def __init__(self, rule: SamplingRule) -> None:
        self._rule = rule
        self._kept_ms = Column(LONG_AGO_MS, np.int64)
        self._is_chosen = Column(1, np.bool_)
        self.slots = Slots(rule.matchers, (self._kept_ms, self._is_chosen))

    def admit(self, row: int, labels: Labels, *, is_free: bool) -> bool:
        """Take a new row if the rule is for it, and say whether it is."""
        is_taken = self.slots.admit(row, labels, is_free=is_free)
        if is_taken and self._rule.ratio < 1:
            self._is_chosen.data[self.slots.of(np.array([row]))] = share(labels) < self._rule.ratio
        return is_taken

    def apply(self, passage: Passage) -> None:
        """Drop what the rule says."""
        rule = self._rule
        samples, slots = passage.pick(self.slots)
        if rule.ratio < 1:
            is_chosen = self._is_chosen.data[slots]
            passage.drop(samples[~is_chosen], rule.place, Reason.SAMPLING_RATIO)
            samples, slots = samples[is_chosen], slots[is_chosen]
        if rule.keep_every_ms is not None:
            with learning(passage.undo, (self._kept_ms,), slots):
                dropped = self._superfluous(passage, samples, slots, rule.keep_every_ms)
            passage.drop(np.sort(dropped), rule.place, Reason.SAMPLING_INTERVAL)

    def _superfluous(self, passage: Passage, samples: Rows, slots: Rows, every_ms: int) -> Rows:
        """The samples that are not the first of their interval."""
        times_ms = passage.batch.timestamps_ms
        if not passage.is_single:
            order = np.lexsort((times_ms[samples], slots))
            samples, slots = samples[order], slots[order]
        kept_ms, ends = self._kept_ms.data[slots], np.zeros(len(samples), dtype=np.bool_)
        if passage.stale is not None:
            is_stale = passage.stale[samples]
            ends = is_stale & (times_ms[samples] >= kept_ms)
            is_looked_at = ~is_stale | ends
            samples, slots = samples[is_looked_at], slots[is_looked_at]
            kept_ms, ends = kept_ms[is_looked_at], ends[is_looked_at]
        is_kept = self._thin(slots, times_ms[samples], kept_ms, ends, every_ms)
        return samples[~is_kept]

    def _thin(self, slots: Rows, times_ms: Times, kept_ms: Times, ends: Mask, every_ms: int) -> Mask:
        """Which samples, in order of slot and time, are kept; ``ends`` says where a series ends."""
        buckets = times_ms // every_ms
        is_first_of_slot = _differs(slots)
        is_first = is_first_of_slot | _differs(buckets)
        is_first[1:] |= ends[:-1]
        first_ms = times_ms[np.flatnonzero(is_first)][np.cumsum(is_first) - 1]
        ended_before: Rows = np.cumsum(ends) - ends
        ended_first = ended_before[np.flatnonzero(is_first_of_slot)][np.cumsum(is_first_of_slot) - 1]
        is_anew: Mask = ended_before > ended_first
        is_served = (buckets == kept_ms // every_ms) & ~is_anew
        is_kept: Mask = (times_ms == np.where(is_served, kept_ms, first_ms)) | ends
        # Of several times of a slot the last one counts, which numpy writes last.
        is_newest = is_kept & ((times_ms > kept_ms) | is_anew | ends)
        self._kept_ms.data[slots[is_newest]] = np.where(ends, LONG_AGO_MS, times_ms)[is_newest]
        return is_kept


def share(labels: Labels) -> float:
    """Where in the range from 0 to 1 a series stands, the same in every process.

    >>> bucket = Labels({"__name__": "took_seconds_bucket", "le": "1"})
    >>> share(bucket) == share(Labels({"__name__": "took_seconds_sum"}))
    True
    """
    name = labels.metric_name
    for ending in _ENDINGS_OF_A_FAMILY:
        name = name.removesuffix(ending)
    family = labels.drop(_PARTS_OF_A_FAMILY).merge({METRIC_NAME: name})
    text = "\\xff".join(part for pair in family.pairs for part in pair)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
    return int.from_bytes(digest) / 2.0 ** (8 * _HASH_BYTES)


def _differs(items: Rows) -> Mask:
    """Which items differ from the one before."""
    differs = np.ones(len(items), dtype=np.bool_)
    differs[1:] = items[1:] != items[:-1]
    return differs
