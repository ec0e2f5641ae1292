"""sum, avg, min and the other aggregations that make one number of a group, at every step at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Final

import numpy as np

from tocsin.promql.labelsets import Groups
from tocsin.promql.streams import Stream, grouped
from tocsin.promql.sums import CutSums, cut_sums, halved
from tocsin.promql.values import Bools, Floats, Ints, Vector, is_common


@dataclass(frozen=True)
class Grouped:
    """A vector whose series are to be reduced group by group.

    What comes out where no series of a group is present does not matter.
    """

    stream: Stream
    groups: Groups

    @property
    def shape(self) -> tuple[int, int]:
        """Groups and steps."""
        return self.groups.count, self.stream.steps

    @cached_property
    def counts(self) -> Floats:
        """How many series each group has at each step."""
        present = self.stream.present
        sizes = self.groups.sizes[:, None].astype(np.float64)
        if present is None:
            return np.broadcast_to(sizes, self.shape)
        if is_common(present):
            return sizes * present[:1]
        counts = np.zeros(self.shape)
        for ids, mask in grouped(self.groups.ids, present):
            counts[ids] = mask.sum(axis=1)
        return counts

    @property
    def present(self) -> Bools | None:
        """Where a group has a value; None when everywhere."""
        present = self.stream.present
        if present is None:
            return None
        return np.broadcast_to(present[:1], self.shape) if is_common(present) else self.counts > 0

    def with_values(self, values: Floats) -> Grouped:
        """The same series with other values, all there already."""
        vector = Vector(self.stream.labels, values, self.stream.present)
        return replace(self, stream=Stream.of(vector))


def _sum(of: Grouped) -> Floats:
    sums = CutSums.empty(of.shape)
    for ids, values in of.stream.by_group(of.groups.ids, fill=0.0):
        sums.add(ids, *cut_sums(values))
    total, doubtful = sums.total, sums.is_doubtful
    if of.present is not None:
        doubtful &= of.present
    columns = np.flatnonzero(doubtful.any(axis=0))
    if len(columns):
        total[:, columns] = _added(of, columns)
    return total


def _added(of: Grouped, columns: Ints) -> Floats:
    """The sums at some steps as Prometheus adds: compensated as long as they are finite."""
    values = of.stream.values()[:, columns]
    if of.stream.present is not None:
        values = np.where(of.stream.present[:, columns], values, 0.0)
    total = np.empty((of.groups.count, len(columns)))
    for ids, part in grouped(of.groups.ids, values):
        total[ids] = halved(np.swapaxes(part, 0, 1))
    return total


def _average(of: Grouped) -> Floats:
    total = _sum(of)
    average = total / of.counts
    overflowed = np.isinf(total) if of.present is None else np.isinf(total) & of.present
    if not overflowed.any():
        return average
    # An infinite sum of finite values overflowed: dividing first keeps it in range.
    scaled = of.with_values(of.stream.values() / of.counts[of.groups.ids])
    return np.where(overflowed, _sum(scaled), average)


def _extreme(of: Grouped, pick: np.ufunc) -> Floats:
    out = np.full(of.shape, np.nan)
    for ids, values in of.stream.by_group(of.groups.ids, fill=np.nan):
        out[ids] = pick(out[ids], pick.reduce(values, axis=1))
    return out


def _count(of: Grouped) -> Floats:
    return np.array(of.counts)


def _group(of: Grouped) -> Floats:
    return np.ones(of.shape)


def _variance(of: Grouped) -> Floats:
    distances = of.stream.values() - _average(of)[of.groups.ids]
    return _sum(of.with_values(distances * distances)) / of.counts


def _deviation(of: Grouped) -> Floats:
    return np.sqrt(_variance(of))


REDUCTIONS: Final[Mapping[str, Callable[[Grouped], Floats]]] = MappingProxyType(
    {
        "sum": _sum,
        "avg": _average,
        "min": partial(_extreme, pick=np.fmin),
        "max": partial(_extreme, pick=np.fmax),
        "count": _count,
        "group": _group,
        "stddev": _deviation,
        "stdvar": _variance,
    }
)
