"""sum by, topk and the other aggregations: across the series of each group, at every step at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import Labels
from tocsin.promql.ast import Aggregation, Expr, Grouping
from tocsin.promql.functions.base import Evaluation, text
from tocsin.promql.functions.labels import is_label_name
from tocsin.promql.labelsets import Groups, LabelSets
from tocsin.promql.merging import merged
from tocsin.promql.quantiles import quantile_of_sorted, warn_of_quantiles
from tocsin.promql.selections import SELECTIONS, select
from tocsin.promql.sums import compensated_sum
from tocsin.promql.values import Bools, Floats, Vector, empty_vector


@dataclass(frozen=True, slots=True)
class _Grouped:
    """A vector whose series are sorted by group, ready for reductions."""

    groups: Groups
    values: Floats
    present: Bools | None

    @property
    def counts(self) -> Floats:
        """How many series each group has at each step."""
        if self.present is None:
            shape = (len(self.groups.labels), self.values.shape[1])
            return np.broadcast_to(self.groups.sizes[:, None].astype(np.float64), shape)
        return np.add.reduceat(self.present, self.groups.starts, axis=0, dtype=np.float64)

    def filled(self, fill: float) -> Floats:
        """Values with something harmless where there is none."""
        return self.values if self.present is None else np.where(self.present, self.values, fill)

    def parts(self) -> list[tuple[Floats, Bools | None]]:
        """Each group's values and mask."""
        cuts = self.groups.starts[1:]
        values = np.split(self.values, cuts)
        masks = [None] * len(values) if self.present is None else np.split(self.present, cuts)
        return list(zip(values, masks, strict=True))


def _sum(grouped: _Grouped) -> Floats:
    values, sizes = grouped.filled(0.0), grouped.groups.sizes
    if (sizes == sizes[0]).all():
        alike = values.reshape(len(sizes), int(sizes[0]), values.shape[1])
        return compensated_sum(np.swapaxes(alike, 0, 1))
    return np.stack([compensated_sum(part) for part in np.split(values, grouped.groups.starts[1:])])


def _average(grouped: _Grouped) -> Floats:
    counts = grouped.counts
    total = _sum(grouped)
    if np.isfinite(total).all():
        return total / counts
    # An infinite sum of finite values overflowed: dividing first keeps it in range.
    ids = np.sort(grouped.groups.ids)
    scaled = _Grouped(grouped.groups, grouped.values / counts[ids], grouped.present)
    return np.where(np.isfinite(total), total / counts, _sum(scaled))


def _least(grouped: _Grouped) -> Floats:
    return np.fmin.reduceat(grouped.filled(np.nan), grouped.groups.starts, axis=0)


def _greatest(grouped: _Grouped) -> Floats:
    return np.fmax.reduceat(grouped.filled(np.nan), grouped.groups.starts, axis=0)


def _count(grouped: _Grouped) -> Floats:
    return np.array(grouped.counts)


def _group(grouped: _Grouped) -> Floats:
    return np.ones_like(grouped.counts)


def _variance(grouped: _Grouped) -> Floats:
    counts = grouped.counts
    ids = np.sort(grouped.groups.ids)
    mean = _average(grouped)[ids]
    squares = (grouped.values - mean) ** 2
    return _sum(_Grouped(grouped.groups, squares, grouped.present)) / counts


def _deviation(grouped: _Grouped) -> Floats:
    return np.sqrt(_variance(grouped))


_REDUCTIONS: Final[Mapping[str, Callable[[_Grouped], Floats]]] = MappingProxyType(
    {
        "sum": _sum,
        "avg": _average,
        "min": _least,
        "max": _greatest,
        "count": _count,
        "group": _group,
        "stddev": _deviation,
        "stdvar": _variance,
    }
)


def aggregate(evaluation: Evaluation, node: Aggregation) -> Vector:
    """Evaluate an aggregation."""
    vector = evaluation.vector(node.expr)
    if node.op == "count_values":
        return _count_values(vector, node)
    if not len(vector.labels):
        return empty_vector(evaluation.steps.count)
    if node.op in SELECTIONS:
        return select(evaluation, vector, node, evaluation.scalar(_parameter(node)))
    grouped = _grouped(vector, node.grouping)
    with np.errstate(all="ignore"):
        if node.op == "quantile":
            phi = evaluation.scalar(_parameter(node))
            warn_of_quantiles(evaluation.annotations, phi)
            values = _quantile(grouped, phi)
        else:
            values = _REDUCTIONS[node.op](grouped)
    result = Vector(grouped.groups.labels, values, None, _nameless_groups(vector, grouped.groups))
    return result if vector.present is None else result.with_present(grouped.counts > 0)


def _parameter(node: Aggregation) -> Expr:
    if node.parameter is None:
        raise QueryError(f"aggregation {node.op} needs a parameter")
    return node.parameter


def _grouped(vector: Vector, grouping: Grouping) -> _Grouped:
    groups = vector.labels.grouped(grouping)
    if len(groups.labels) == 1:
        return _Grouped(groups, vector.values, vector.present)
    order = groups.order
    present = None if vector.present is None else vector.present[order]
    return _Grouped(groups, vector.values[order], present)


def _nameless_groups(vector: Vector, groups: Groups) -> Bools | None:
    if vector.nameless is None or not vector.nameless.any():
        return None
    marked = np.zeros(len(groups.labels), dtype=bool)
    marked[groups.ids[vector.nameless]] = True
    return marked


def _quantile(grouped: _Grouped, phi: Floats) -> Floats:
    rows = []
    for values, present in grouped.parts():
        if present is not None:
            values = np.where(present, values, np.nan)  # noqa: PLW2901 - the masked form replaces it
        sizes = np.full(len(phi), len(values)) if present is None else present.sum(axis=0)
        missing = 0 if present is None else (~present).sum(axis=0)
        nans = np.isnan(values).sum(axis=0) - missing
        rows.append(quantile_of_sorted(phi, np.sort(values.T, axis=-1), sizes, nans))
    return np.stack(rows)


def _count_values(vector: Vector, node: Aggregation) -> Vector:
    name = text(_parameter(node))
    if not is_label_name(name):
        raise QueryError(f'invalid label name "{name}"')
    grouping = node.grouping
    groups = vector.labels.grouped(grouping)
    rows, columns = np.nonzero(vector.mask)
    if not len(rows):
        return empty_vector(vector.values.shape[1])
    bits = (vector.values[rows, columns] + 0.0).view(np.int64)
    bits = np.where(np.isnan(vector.values[rows, columns]), np.int64(0x7FF8000000000000), bits)
    keys, kinds = np.unique(np.stack((groups.ids[rows], bits)), axis=1, return_inverse=True)
    counts = np.zeros((keys.shape[1], vector.values.shape[1]))
    np.add.at(counts, (kinds.ravel(), columns), 1.0)
    values = keys[1].view(np.float64).tolist()
    common = groups.labels.sets
    labels = [
        common[group].merge({name: _plain(value)})
        for group, value in zip(keys[0].tolist(), values, strict=True)
    ]
    return _summed_alike(Vector(LabelSets(labels), counts))


def _summed_alike(vector: Vector) -> Vector:
    """Groups that differ only in the label that the values are written to count together."""
    if vector.labels.distinct:
        return vector.with_present(vector.values > 0)
    index_of: dict[Labels, int] = {}
    ids = np.array([index_of.setdefault(labels, len(index_of)) for labels in vector.labels.sets])
    counts = np.zeros((len(index_of), vector.values.shape[1]))
    np.add.at(counts, ids, vector.values)
    return merged(Vector(LabelSets(list(index_of), distinct=True), counts)).with_present(counts > 0)


def _plain(value: float) -> str:
    """A number without exponent, in as few digits as tell it apart."""
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if np.isnan(value):
        return "NaN"
    return np.format_float_positional(value, trim="-")
