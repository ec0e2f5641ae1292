"""absent and its kin: answers where there is no data."""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.model import METRIC_NAME, Labels, MatchType
from tocsin.promql.ast import Call, Expr, MatrixSelector, VectorSelector
from tocsin.promql.functions.base import MATRIX, VECTOR, Evaluation, Function
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.values import Bools, Vector


def absent_labels(expr: Expr) -> Labels:
    """The labels that a selector fixes by equality, which its absence is reported with."""
    if isinstance(expr, MatrixSelector):
        expr = expr.selector
    if not isinstance(expr, VectorSelector):
        return Labels()
    fixed: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in expr.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.type is MatchType.EQUAL and matcher.name not in seen:
            fixed[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            fixed.pop(matcher.name, None)
    return Labels(fixed)


def _one_where(missing: Bools, expr: Expr) -> Vector:
    labels = LabelSets([absent_labels(expr)], distinct=True)
    return Vector(labels, np.ones((1, len(missing)))).with_present(missing[None, :])


def _absent(evaluation: Evaluation, call: Call) -> Vector:
    vector = evaluation.vector(call.arguments[0])
    return _one_where(np.asarray(~vector.mask.any(axis=0)), call.arguments[0])


def _absent_over_time(evaluation: Evaluation, call: Call) -> Vector:
    found = np.zeros(evaluation.steps.count, dtype=bool)
    for block, _ in evaluation.ranges(call.arguments[0]).blocks:
        found |= (np.broadcast_to(block.counts, block.shape) > 0).any(axis=0)
    return _one_where(~found, call.arguments[0])


FUNCTIONS: Final[tuple[Function, ...]] = (
    Function("absent", (VECTOR,), VECTOR, "1 where the vector is empty.", _absent),
    Function(
        "absent_over_time",
        (MATRIX,),
        VECTOR,
        "1 where no series has a sample in the range.",
        _absent_over_time,
    ),
)
