"""Vectors whose values come piece by piece.

What reduces a vector, as ``sum(rate(x[5m]))`` does, takes some series at a time while they are in the
cache. The rates of all series never stand in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from tocsin.promql.labelsets import LabelSets, Partition
from tocsin.promql.values import Bools, Floats, Ints, Rows, Vector, is_common
from tocsin.promql.windows import CHUNK_VALUES

T = TypeVar("T", bound=np.generic)

Source: TypeAlias = Callable[[Floats | None], Iterator[tuple[slice, Floats]]]
"""Gives values of some rows after the other; into an array when one is given."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A vector as sources and the rows that each of them fills; see values.Vector for the rest.

    What stands in rows that no source fills, which are not present, does not matter.
    """

    labels: LabelSets
    steps: int
    sources: Sequence[tuple[Rows, Source]]
    present: Bools | None = None
    nameless: Bools | None = None

    @classmethod
    def of(cls, vector: Vector) -> Stream:
        """A vector that is there already."""
        rows, steps = vector.values.shape
        sources = [(slice(0, rows), _cut(vector.values))]
        return cls(vector.labels, steps, sources, vector.present, vector.nameless)

    @property
    def present_labels(self) -> LabelSets:
        """The labels of the series that are present at some step."""
        if self.present is None:
            return self.labels
        alive = self.present[:1].any() if is_common(self.present) else self.present.any(axis=1)
        return self.labels if np.all(alive) else self.labels.take(np.flatnonzero(alive))

    def collected(self) -> Vector:
        """The vector as a whole, without the series that are never present."""
        vector = Vector(self.labels, self.values(), None, self.nameless)
        return vector if self.present is None else vector.with_present(self.present)

    def values(self) -> Floats:
        """The values of all series."""
        values = np.empty((len(self.labels), self.steps))
        for rows, source in self.sources:
            if isinstance(rows, slice):
                for _ in source(values[rows]):
                    pass
            else:
                for part, piece in source(None):
                    values[rows[part]] = piece
        return values

    def by_group(self, ids: Ints, fill: float) -> Iterator[tuple[Ints, Floats]]:
        """Groups ``(k,)`` and values ``(k, series, steps)`` of series of each, again and again.

        ``ids`` is the group of each series. A group may come several times, with other series of it;
        series of one size at a time. ``fill`` stands where a series is not present, unless none is.
        """
        for rows, values in self._pieces():
            if self.present is not None and not is_common(self.present):
                values = np.where(self.present[rows], values, fill)  # noqa: PLW2901 - the filled form replaces it
            yield from grouped(ids[rows], values)

    def _pieces(self) -> Iterator[tuple[Rows, Floats]]:
        for rows, source in self.sources:
            for part, values in source(None):
                if isinstance(rows, slice):
                    yield slice(rows.start + part.start, rows.start + part.stop), values
                else:
                    yield rows[part], values


def _cut(values: Floats) -> Source:
    def source(into: Floats | None) -> Iterator[tuple[slice, Floats]]:
        if into is not None:
            into[:] = values
        chunk = max(1, CHUNK_VALUES // max(1, values.shape[1]))
        for start in range(0, len(values), chunk):
            rows = slice(start, min(start + chunk, len(values)))
            yield rows, values[rows]

    return source


def grouped(ids: Ints, values: npt.NDArray[T]) -> Iterator[tuple[Ints, npt.NDArray[T]]]:
    """Groups ``(k,)`` and rows ``(k, n, …)`` of each, groups of one size at a time."""
    if len(ids) == 0 or (ids == ids[0]).all():
        yield ids[:1], values[None]
        return
    present, local = np.unique(ids, return_inverse=True)
    for groups, rows in Partition(local, len(present)).by_size:
        yield present[groups], values[rows]
