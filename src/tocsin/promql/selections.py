"""topk, bottomk, limitk and limit_ratio: aggregations that keep some of the series as they are."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import Labels
from tocsin.promql.ast import Aggregation
from tocsin.promql.functions.base import Evaluation
from tocsin.promql.values import Bools, Floats, Ints, Vector, empty_vector

SELECTIONS: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})

_INT64_BOUND: Final = 2.0**63
_CANDIDATE_BLOCKS: Final = 32


def select(evaluation: Evaluation, vector: Vector, node: Aggregation, parameter: Floats) -> Vector:
    """Evaluate topk, bottomk, limitk or limit_ratio with its parameter at each step."""
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
