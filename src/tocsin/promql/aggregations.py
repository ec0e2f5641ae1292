"""sum by, topk and the other aggregations: across the series of each group, at every step at once."""

from __future__ import annotations

import hashlib
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
from tocsin.promql.sums import pairwise
from tocsin.promql.values import Bools, Floats, Ints, Vector, empty_vector

_INT64_BOUND: Final = 2.0**63
_CANDIDATE_BLOCKS: Final = 32


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

    def parts(self) -> list[tuple[slice, Floats, Bools | None]]:
        """Each group's rows, values and mask."""
        ends = self.groups.starts + self.groups.sizes
        slices = [slice(a, b) for a, b in zip(self.groups.starts.tolist(), ends.tolist(), strict=True)]
        return [
            (part, self.values[part], None if self.present is None else self.present[part]) for part in slices
        ]

    def each(self, reduce: Callable[[Floats], Floats], fill: float = 0.0) -> Floats:
        """Reduce each group along its first axis."""
        filled = self.filled(fill)
        return np.stack([reduce(filled[part]) for part, _, _ in self.parts()])


def _sum(grouped: _Grouped) -> Floats:
    def reduce(values: Floats) -> Floats:
        total, lost = pairwise(values)
        return np.where(np.isfinite(total), total + lost, total)

    return grouped.each(reduce)


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
    return grouped.each(lambda values: np.fmin.reduce(values, axis=0), np.nan)


def _greatest(grouped: _Grouped) -> Floats:
    return grouped.each(lambda values: np.fmax.reduce(values, axis=0), np.nan)


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
    if node.op in _SELECTIONS:
        return _select(evaluation, vector, node, evaluation.scalar(_parameter(node)))
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
    for _, values, present in grouped.parts():
        if present is not None:
            values = np.where(present, values, np.nan)  # noqa: PLW2901 - the masked form replaces it
        sizes = np.full(len(phi), len(values)) if present is None else present.sum(axis=0)
        missing = 0 if present is None else (~present).sum(axis=0)
        nans = np.isnan(values).sum(axis=0) - missing
        rows.append(quantile_of_sorted(phi, np.sort(values.T, axis=-1), sizes, nans))
    return np.stack(rows)


def _select(evaluation: Evaluation, vector: Vector, node: Aggregation, parameter: Floats) -> Vector:
    if node.op == "limit_ratio":
        return _sampled(evaluation, vector, parameter)
    _check_count(parameter)
    limits = np.minimum(np.maximum(parameter, 0), len(vector.labels)).astype(np.int64)
    if not limits.any():
        return empty_vector(evaluation.steps.count)
    kept = np.zeros(vector.values.shape, dtype=bool)
    ranked_rows: list[Ints] = []
    mask = vector.mask
    for rows in vector.labels.grouped(node.grouping).members():
        values, present = vector.values[rows], mask[rows]
        if node.op == "limitk":
            kept[rows] = present & (np.cumsum(present, axis=0) <= limits)
            continue
        values = -values if node.op == "topk" else values
        kept[rows] = _first_in_order(values, present, limits)
        ranked_rows.append(rows[np.argsort(values[:, 0], kind="stable")])
    result = Vector(vector.labels, vector.values, None, vector.nameless)
    if evaluation.steps.count > 1 or not ranked_rows:
        return result.with_present(kept)
    # At a single step the rows come in the order of their values, group by group.
    order = np.concatenate(ranked_rows)
    return result.take(order[kept[order, 0]])


def _check_count(parameter: Floats) -> None:
    if parameter.max(initial=-np.inf) < 1:
        return
    if np.isnan(parameter).any():
        raise QueryError("Parameter value is NaN")
    if parameter.min() <= -_INT64_BOUND:
        raise QueryError(f"Scalar value {parameter.min():g} underflows int64")
    if parameter.max() >= _INT64_BOUND:
        raise QueryError(f"Scalar value {parameter.max():g} overflows int64")


def _first_in_order(values: Floats, present: Bools, limits: Ints) -> Bools:
    """Which of the least values belong to the first ``limits`` of each step, NaN last.

    Of equal values the earlier rows are taken.
    """
    chosen = np.zeros(values.shape, dtype=bool)
    rows = _candidates(np.where(present, values, np.nan), int(limits.max()))
    values, present = values[rows], present[rows]
    limits = np.minimum(limits, len(rows))
    ranked = np.partition(np.where(present, values, np.nan).T, np.unique(np.maximum(limits - 1, 0)), axis=1)
    bound = ranked[np.arange(len(limits)), np.maximum(limits - 1, 0)]
    is_nan = np.isnan(values)
    below = present & np.where(np.isnan(bound), ~is_nan, values < bound)
    level = present & np.where(np.isnan(bound), is_nan, values == bound)
    left = limits - below.sum(axis=0)
    chosen[rows] = (below | (level & (np.cumsum(level, axis=0) <= left))) & (limits > 0)
    return chosen


def _candidates(values: Floats, limit: int) -> Ints:
    """The rows that can be among the least; leaves out most when there are many more than wanted.

    The greatest of as many block minima as are wanted bounds what is wanted from above.
    """
    rows = len(values)
    if limit > _CANDIDATE_BLOCKS or rows < 8 * _CANDIDATE_BLOCKS:
        return np.arange(rows)
    starts = np.arange(_CANDIDATE_BLOCKS) * rows // _CANDIDATE_BLOCKS
    minima = np.fmin.reduceat(values, starts, axis=0)
    bound = np.sort(minima, axis=0)[limit - 1]
    if np.isnan(bound).any():
        return np.arange(rows)
    return np.flatnonzero((values <= bound).any(axis=1))


def _sampled(evaluation: Evaluation, vector: Vector, ratio: Floats) -> Vector:
    if np.isnan(ratio).any():
        raise QueryError("Ratio value is NaN")
    for bound, outside in ((1.0, ratio.max()), (-1.0, ratio.min())):
        if abs(outside) > 1 and outside * bound > 0:
            evaluation.annotations.warn(
                f"ratio value should be between -1 and 1, got {outside:g}, capping to {bound:g}"
            )
    ratio = np.clip(ratio, -1, 1)
    place = np.array([_place(labels) for labels in vector.labels.sets])[:, None]
    kept = np.where(ratio >= 0, place < ratio, place >= 1 + ratio)
    return vector.with_present(vector.mask & kept)


def _place(labels: Labels) -> float:
    """A number from 0 to 1 that belongs to a label set for good."""
    digest = hashlib.blake2b(str(labels).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2.0**64


_SELECTIONS: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


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
