"""What the rules did, counted, and said once an hour for each rule."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Final

from tocsin.storage.quality.passage import Note, Outcome, Reason
from tocsin.storage.quality.rules import QualityRules

SAID_EVERY_MS: Final = 3_600_000

_logger = logging.getLogger(__name__)

# What a rule was written for is no reason to warn.
_EXPECTED: Final = frozenset({Reason.SAMPLING_INTERVAL, Reason.SAMPLING_RATIO})


class Report:
    """Counts by outcome and reason, since the start."""

    def __init__(self, rules: QualityRules) -> None:
        self.counts: Counter[tuple[Outcome, Reason]] = Counter(dict.fromkeys(_possible(rules), 0))
        self._since_said: Counter[str] = Counter()
        self._said_ms: dict[str, int] = {}

    def take(self, notes: Iterable[Note], now_ms: int) -> None:
        """Count what was done to a batch that is stored, and log it when it is time."""
        for note in notes:
            self.counts[note.outcome, note.reason] += note.sample_count
            if note.outcome is not Outcome.CHANGED:
                self._say(note, now_ms)

    def _say(self, note: Note, now_ms: int) -> None:
        self._since_said[note.place] += note.sample_count
        if now_ms - self._said_ms.get(note.place, now_ms - SAID_EVERY_MS) < SAID_EVERY_MS:
            return
        self._said_ms[note.place] = now_ms
        level = logging.INFO if note.reason in _EXPECTED else logging.WARNING
        count = self._since_said.pop(note.place)
        _logger.log(
            level, "%s: samples %s: %d (%s)%s", note.place, note.outcome, count, note.reason, _such_as(note)
        )


def _such_as(note: Note) -> str:
    if note.example is None:
        return ""
    labels, time_ms, value = note.example
    return f", such as {labels} {value:g} at {time_ms / 1000:.3f}"


def _possible(rules: QualityRules) -> Iterable[tuple[Outcome, Reason]]:
    """What the rules can do at all, so that each counter is there from the start."""
    if rules.enrichment:
        yield Outcome.CHANGED, Reason.ENRICHMENT
    for check in rules.validation:
        outcome = Outcome.DROPPED if check.drops else Outcome.FLAGGED
        if check.type is not None:
            yield outcome, Reason.VALIDATION_TYPE
        if check.has_range:
            yield outcome, Reason.VALIDATION_RANGE
        if check.monotonic:
            yield outcome, Reason.VALIDATION_MONOTONIC
    for watch in rules.outliers:
        yield (Outcome.DROPPED if watch.drops else Outcome.FLAGGED), Reason.OUTLIER
        yield Outcome.UNJUDGED, Reason.MAX_SERIES
    for thinning in rules.sampling:
        if thinning.ratio < 1:
            yield Outcome.DROPPED, Reason.SAMPLING_RATIO
        if thinning.keep_every_ms is not None:
            yield Outcome.DROPPED, Reason.SAMPLING_INTERVAL
