"""sum by, topk and the other aggregations: across the series of each group, at every step at once."""

from __future__ import annotations

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import Labels
from tocsin.promql.ast import Aggregation, Expr
from tocsin.promql.functions.base import Evaluation, text
from tocsin.promql.functions.labels import is_label_name
from tocsin.promql.labelsets import Groups, LabelSets
from tocsin.promql.merging import merged
from tocsin.promql.quantiles import quantile_of_sorted, warn_of_quantiles
from tocsin.promql.reductions import REDUCTIONS, Grouped
from tocsin.promql.selections import SELECTIONS, select
from tocsin.promql.values import Bools, Floats, Vector, empty_vector


def aggregate(evaluation: Evaluation, node: Aggregation) -> Vector:
    """Evaluate an aggregation."""
    if node.op in REDUCTIONS:
        return _reduced(evaluation, node)
    vector = evaluation.vector(node.expr)
    if node.op == "count_values":
        return _count_values(vector, node)
    if not len(vector.labels):
        return empty_vector(evaluation.steps.count)
    parameter = evaluation.scalar(_parameter(node))
    if node.op in SELECTIONS:
        return select(evaluation, vector, node, parameter)
    warn_of_quantiles(evaluation.annotations, parameter)
    return _quantile(vector, vector.labels.grouped(node.grouping), parameter)


def _reduced(evaluation: Evaluation, node: Aggregation) -> Vector:
    stream = evaluation.stream(node.expr)
    if not len(stream.labels):
        return empty_vector(evaluation.steps.count)
    of = Grouped(stream, stream.labels.grouped(node.grouping))
    evaluation.budget.hold(of.shape[0] * of.shape[1])
    with np.errstate(all="ignore"):
        values = REDUCTIONS[node.op](of)
    result = Vector(of.groups.labels, values, None, _nameless_groups(stream.nameless, of.groups))
    return result if of.present is None else result.with_present(of.present)


def _parameter(node: Aggregation) -> Expr:
    if node.parameter is None:
        raise QueryError(f"aggregation {node.op} needs a parameter")
    return node.parameter


def _nameless_groups(nameless: Bools | None, groups: Groups) -> Bools | None:
    if nameless is None or not nameless.any():
        return None
    marked = np.zeros(groups.count, dtype=bool)
    marked[groups.ids[nameless]] = True
    return marked


def _quantile(vector: Vector, groups: Groups, phi: Floats) -> Vector:
    values, mask = np.where(vector.mask, vector.values, np.nan), vector.mask
    counts, quantiles = np.empty((2, groups.count, values.shape[1]))
    for group, rows in enumerate(groups.members()):
        sizes = mask[rows].sum(axis=0)
        nans = np.isnan(values[rows]).sum(axis=0) - (len(rows) - sizes)
        counts[group] = sizes
        quantiles[group] = quantile_of_sorted(phi, np.sort(values[rows].T, axis=-1), sizes, nans)
    result = Vector(groups.labels, quantiles, None, _nameless_groups(vector.nameless, groups))
    return result.with_present(counts > 0)


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
