"""Binary operators: arithmetic, comparisons and sets, between scalars and matched series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, cast

import numpy as np

from tocsin.promql.ast import Binary, Cardinality, Matching
from tocsin.promql.functions.base import Evaluation
from tocsin.promql.labelsets import Groups, LabelSets
from tocsin.promql.matching import match_series
from tocsin.promql.merging import merged
from tocsin.promql.values import Bools, Floats, Scalar, Value, Vector


def _power(base: Floats, exponent: Floats) -> Floats:
    """``base ^ exponent`` as C has it; NumPy takes a shortcut by which -Inf ^ 0.5 is NaN."""
    result: Floats = np.power(base, exponent)
    is_lowest = base == -np.inf
    if not is_lowest.any():
        return result
    size = np.power(np.inf, exponent)
    is_odd = np.abs(np.fmod(exponent, 2)) == 1
    return np.where(is_lowest, np.where(is_odd, -size, size), result)


_ARITHMETIC: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = MappingProxyType(
    {
        "+": np.add,
        "-": np.subtract,
        "*": np.multiply,
        "/": np.divide,
        "%": np.fmod,
        "^": _power,
        "atan2": np.arctan2,
    }
)

_COMPARISONS: Final[Mapping[str, Callable[[Floats, Floats], Bools]]] = MappingProxyType(
    {
        "==": np.equal,
        "!=": np.not_equal,
        ">": np.greater,
        "<": np.less,
        ">=": np.greater_equal,
        "<=": np.less_equal,
    }
)


def negate(evaluation: Evaluation, value: Value) -> Value:
    """``-value``."""
    if isinstance(value, Scalar):
        return Scalar(-value.values)
    vector = cast("Vector", value)
    return evaluation.drop_names(replace(vector, values=-vector.values))


def combine(evaluation: Evaluation, node: Binary, lhs: Value, rhs: Value) -> Value:
    """``lhs op rhs``."""
    with np.errstate(all="ignore"):
        match lhs, rhs:
            case Scalar(), Scalar():
                operate = _ARITHMETIC.get(node.op) or _COMPARISONS[node.op]
                return Scalar(operate(lhs.values, rhs.values).astype(np.float64))
            case Vector(), Scalar():
                return _with_scalar(evaluation, node, lhs, lhs.values, rhs.values)
            case Scalar(), Vector():
                return _with_scalar(evaluation, node, rhs, lhs.values, rhs.values)
            case Vector(), Vector() if node.matching.cardinality is Cardinality.MANY_TO_MANY:
                return _SETS[node.op](lhs, rhs, node.matching)
            case Vector(), Vector():
                return _vectors(evaluation, node, lhs, rhs)
    raise AssertionError(f"no operands: {type(lhs).__name__} and {type(rhs).__name__}")


def _with_scalar(evaluation: Evaluation, node: Binary, vector: Vector, left: Floats, right: Floats) -> Vector:
    if node.op in _ARITHMETIC:
        return evaluation.drop_names(replace(vector, values=_ARITHMETIC[node.op](left, right)))
    holds = _COMPARISONS[node.op](left, right)
    if node.returns_bool:
        return evaluation.drop_names(replace(vector, values=holds.astype(np.float64)))
    return vector.with_present(holds if vector.present is None else holds & vector.present)


def _vectors(evaluation: Evaluation, node: Binary, lhs: Vector, rhs: Vector) -> Vector:
    pairs = match_series(lhs, rhs, node)
    evaluation.budget.hold(pairs.left.size)
    if node.op in _ARITHMETIC:
        values = _ARITHMETIC[node.op](pairs.left, pairs.right)
        return merged(_kept(Vector(pairs.labels, values, None, pairs.nameless), pairs.present))
    holds = _COMPARISONS[node.op](pairs.left, pairs.right)
    if node.returns_bool:
        vector = Vector(pairs.labels, holds.astype(np.float64), None, pairs.nameless)
        return evaluation.drop_names(_kept(vector, pairs.present))
    # The many side may be the right one; what is kept is the left operand's value all the same.
    vector = Vector(pairs.labels, pairs.left, None, pairs.nameless)
    return merged(vector.with_present(holds if pairs.present is None else holds & pairs.present))


def _kept(vector: Vector, present: Bools | None) -> Vector:
    return vector if present is None else vector.with_present(present)


def _signature_presence(lhs: Vector, rhs: Vector, matching: Matching) -> tuple[Bools, Bools]:
    """For the series of either side, at which steps the other side has a series with its signature."""
    left, right = lhs.labels.grouped(matching.on), rhs.labels.grouped(matching.on)
    right_of = {labels: index for index, labels in enumerate(right.labels.sets)}
    joint = np.array([right_of.get(labels, -1) for labels in left.labels.sets], dtype=np.int64)
    on_left, on_right = _any_by_group(lhs, left), _any_by_group(rhs, right)
    nothing = np.zeros((1, lhs.values.shape[1]), dtype=bool)
    seen_by_left = np.concatenate((on_right, nothing))[joint]
    left_of = np.full(len(right.labels), -1, dtype=np.int64)
    left_of[joint[joint >= 0]] = np.flatnonzero(joint >= 0)
    seen_by_right = np.concatenate((on_left, nothing))[left_of]
    return seen_by_left[left.ids], seen_by_right[right.ids]


def _any_by_group(vector: Vector, groups: Groups) -> Bools:
    if not len(groups.labels):
        return np.zeros((0, vector.values.shape[1]), dtype=bool)
    return np.logical_or.reduceat(vector.mask[groups.order], groups.starts, axis=0)


def _and(lhs: Vector, rhs: Vector, matching: Matching) -> Vector:
    return lhs.with_present(lhs.mask & _signature_presence(lhs, rhs, matching)[0])


def _unless(lhs: Vector, rhs: Vector, matching: Matching) -> Vector:
    return lhs.with_present(lhs.mask & ~_signature_presence(lhs, rhs, matching)[0])


def _or(lhs: Vector, rhs: Vector, matching: Matching) -> Vector:
    added = rhs.with_present(rhs.mask & ~_signature_presence(lhs, rhs, matching)[1])
    if not len(added.labels):
        return lhs
    if not len(lhs.labels):
        return added
    nameless = None
    if lhs.nameless is not None or added.nameless is not None:
        nameless = np.concatenate([_spelled(side) for side in (lhs, added)])
    everything = lhs.present is None and added.present is None
    joined = Vector(
        LabelSets.concatenated([lhs.labels, added.labels]),
        np.concatenate((lhs.values, added.values)),
        None if everything else np.concatenate((lhs.mask, added.mask)),
        nameless,
    )
    return merged(joined)


def _spelled(vector: Vector) -> Bools:
    return np.zeros(len(vector.labels), dtype=bool) if vector.nameless is None else vector.nameless


_SETS: Final = MappingProxyType({"and": _and, "or": _or, "unless": _unless})
