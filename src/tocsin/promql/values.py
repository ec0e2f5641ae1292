"""What expressions evaluate to: arrays with one row a series and one column a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.promql.labelsets import LabelSets

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = slice | Ints


@dataclass(frozen=True)
class Steps:
    """The times of an evaluation: ``count`` of them, ``step_ms`` apart, beginning at ``start_ms``."""

    start_ms: int
    step_ms: int
    count: int

    @cached_property
    def times_ms(self) -> Ints:
        """All times, in milliseconds since 1970."""
        return self.start_ms + self.step_ms * np.arange(self.count, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Span:
    """What a query was asked for; an instant one has a ``step_ms`` of 0."""

    start_ms: int
    end_ms: int
    step_ms: int

    @property
    def steps(self) -> Steps:
        """The times of evaluation, the last at or before the end."""
        count = (self.end_ms - self.start_ms) // self.step_ms + 1 if self.step_ms else 1
        return Steps(self.start_ms, self.step_ms, count)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number a step, shape ``(steps,)``."""

    values: Floats


@dataclass(frozen=True, slots=True)
class String:
    """A string, the same at every step."""

    value: str


@dataclass(frozen=True, slots=True)
class Vector:
    """Series by steps.

    ``values`` has shape ``(series, steps)``; ``present`` says which of them exist and is None when
    all do. ``nameless`` marks, while the removal of metric names is delayed, the series that lose
    theirs at the end. Arrays may be shared with the store or other values and are never written to.
    """

    labels: LabelSets
    values: Floats
    present: Bools | None = None
    nameless: Bools | None = None

    @property
    def mask(self) -> Bools:
        """``present``, spelled out."""
        if self.present is None:
            return np.broadcast_to(np.True_, self.values.shape)
        return self.present

    def take(self, rows: Ints) -> Vector:
        """Some of the series, in the order given."""
        return Vector(
            self.labels.take(rows),
            self.values[rows],
            None if self.present is None else rows_of(self.present, rows),
            None if self.nameless is None else self.nameless[rows],
        )

    def with_present(self, present: Bools) -> Vector:
        """The same values of which only some exist; series without any are left out."""
        distinct = present[:1] if is_common(present) else present
        if distinct.all():
            return replace(self, present=None)
        alive = distinct.any(axis=1)
        kept = replace(self, present=present)
        return kept if alive.all() else kept.take(np.flatnonzero(alive) if alive.any() else _NO_ROWS)


def is_common(mask: Bools) -> bool:
    """Whether all series have the same mask: one row that stands for all, as broadcasting makes it.

    Series that are sampled together exist at the same steps, which saves looking at each.
    """
    return len(mask) > 0 and mask.strides[0] == 0


def rows_of(mask: Bools, rows: Ints) -> Bools:
    """Some rows of a mask; one that all series have in common stays so."""
    return np.broadcast_to(mask[:1], (len(rows), mask.shape[1])) if is_common(mask) else mask[rows]


def where_both(mask: Bools | None, other: Bools | None) -> Bools | None:
    """Where both exist; None is everywhere."""
    if mask is None or other is None:
        return other if mask is None else mask
    if is_common(mask) and is_common(other):
        return np.broadcast_to(mask[:1] & other[:1], mask.shape)
    return mask & other


_NO_ROWS: Final = np.empty(0, dtype=np.int64)


Value = Scalar | String | Vector


def empty_vector(steps: int) -> Vector:
    """A vector without series."""
    return Vector(LabelSets([]), np.empty((0, steps)))
