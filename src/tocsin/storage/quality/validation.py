"""Validation: what type, range and direction the values of a series must have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tocsin.model import Labels
from tocsin.storage.quality.columns import Mask, Rows, Slots, Values
from tocsin.storage.quality.monotonic import Monotonic
from tocsin.storage.quality.passage import Passage, Reason
from tocsin.storage.quality.rules import NumberType, ValidationRule


class Validation:
    """Applies every rule that is for a series. Staleness markers always pass."""

    def __init__(self, rules: Sequence[ValidationRule]) -> None:
        self._checks = [_Check(rule) for rule in rules]

    def admit(self, row: int, labels: Labels) -> None:
        """Find the rules for a new row."""
        for check in self._checks:
            check.slots.admit(row, labels)

    def forget(self, rows: Rows) -> None:
        """Forget rows."""
        for check in self._checks:
            check.slots.forget(rows)

    def apply(self, passage: Passage) -> None:
        """Drop or flag the samples that are wrong."""
        for check in self._checks:
            check.apply(passage)


class _Check:
    """One rule, and the series that it is for."""

    def __init__(self, rule: ValidationRule) -> None:
        self._rule = rule
        self._monotonic = Monotonic(rule.reset_below) if rule.monotonic else None
        self.slots = Slots(rule.matchers, self._monotonic.columns if self._monotonic else ())

    def apply(self, passage: Passage) -> None:
        rule = self._rule
        if rule.type is not None:
            samples, values = self._numbers(passage)
            self._report(passage, samples[_is_other(values, rule.type)], Reason.VALIDATION_TYPE)
        if rule.has_range:
            samples, values = self._numbers(passage)
            is_outside = (values < rule.low) | (values > rule.high)
            self._report(passage, samples[is_outside], Reason.VALIDATION_RANGE)
        if self._monotonic is not None:
            falling = self._monotonic.falling(passage, passage.pick(self.slots))
            self._report(passage, falling, Reason.VALIDATION_MONOTONIC)

    def _numbers(self, passage: Passage) -> tuple[Rows, Values]:
        """The samples to look at, without staleness markers."""
        samples = passage.pick(self.slots).samples
        if passage.stale is not None:
            samples = samples[~passage.stale[samples]]
        return samples, passage.batch.values[samples]

    def _report(self, passage: Passage, samples: Rows, reason: Reason) -> None:
        note: Final = passage.drop if self._rule.drops else passage.flag
        note(samples, self._rule.place, reason)


def _is_other(values: Values, number_type: NumberType) -> Mask:
    """Which values are not of a type."""
    is_finite = np.isfinite(values)
    if number_type is NumberType.INTEGER:
        is_finite &= np.floor(values) == values
    return ~is_finite
