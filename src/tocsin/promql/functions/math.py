"""Functions of each value by itself, and of scalars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from tocsin.model import Labels
from tocsin.promql.ast import Call
from tocsin.promql.functions.base import SCALAR, VECTOR, Evaluation, Function, elementwise
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.values import Floats, Scalar, Vector


def _greater(left: Floats, right: Floats) -> Floats:
    """The greater of two, as Go has it: infinity before NaN before all else."""
    return np.where((left == np.inf) | (right == np.inf), np.inf, np.maximum(left, right))


def _lesser(left: Floats, right: Floats) -> Floats:
    """The lesser of two, as Go has it: minus infinity before NaN before all else."""
    return np.where((left == -np.inf) | (right == -np.inf), -np.inf, np.minimum(left, right))


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def _round(evaluation: Evaluation, call: Call) -> Vector:
    vector = evaluation.vector(call.arguments[0])
    nearest = evaluation.scalar(call.arguments[1]) if len(call.arguments) > 1 else np.ones(1)
    with np.errstate(all="ignore"):
        inverse = 1.0 / nearest
        values = np.floor(vector.values * inverse + 0.5) / inverse
    return evaluation.drop_names(replace(vector, values=values))


def _clamp(evaluation: Evaluation, vector: Vector, low: Floats, high: Floats) -> Vector:
    values = _greater(low, _lesser(high, vector.values))
    clamped = evaluation.drop_names(replace(vector, values=values))
    is_empty = high < low
    return clamped.with_present(clamped.mask & ~is_empty) if is_empty.any() else clamped


def _clamp_both(evaluation: Evaluation, call: Call) -> Vector:
    vector, low, high = call.arguments
    return _clamp(evaluation, evaluation.vector(vector), evaluation.scalar(low), evaluation.scalar(high))


def _clamp_min(evaluation: Evaluation, call: Call) -> Vector:
    vector, low = call.arguments
    return _clamp(evaluation, evaluation.vector(vector), evaluation.scalar(low), np.full(1, np.inf))


def _clamp_max(evaluation: Evaluation, call: Call) -> Vector:
    vector, high = call.arguments
    return _clamp(evaluation, evaluation.vector(vector), np.full(1, -np.inf), evaluation.scalar(high))


def _scalar(evaluation: Evaluation, call: Call) -> Scalar:
    vector = evaluation.vector(call.arguments[0])
    count = vector.mask.sum(axis=0)
    if not len(vector.labels):
        return Scalar(np.full(evaluation.steps.count, np.nan))
    only = vector.values[vector.mask.argmax(axis=0), np.arange(len(count))]
    return Scalar(np.where(count == 1, only, np.nan))


def _vector(evaluation: Evaluation, call: Call) -> Vector:
    values = evaluation.scalar(call.arguments[0])
    return Vector(LabelSets([Labels()], distinct=True), values[None, :])


def _pi(evaluation: Evaluation, _: Call) -> Scalar:
    return Scalar(np.full(evaluation.steps.count, np.pi))


def _of_two(compute: Callable[[Floats, Floats], Floats]) -> Callable[[Evaluation, Call], Scalar]:
    def evaluate(evaluation: Evaluation, call: Call) -> Scalar:
        left, right = call.arguments
        return Scalar(compute(evaluation.scalar(left), evaluation.scalar(right)))

    return evaluate


FUNCTIONS: Final[tuple[Function, ...]] = (
    elementwise("abs", "Absolute value.", np.abs),
    elementwise("ceil", "Value rounded up to an integer.", np.ceil),
    elementwise("floor", "Value rounded down to an integer.", np.floor),
    elementwise("exp", "e to the power of the value.", np.exp),
    elementwise("sqrt", "Square root.", np.sqrt),
    elementwise("ln", "Natural logarithm.", np.log),
    elementwise("log2", "Logarithm to base 2.", np.log2),
    elementwise("log10", "Logarithm to base 10.", np.log10),
    elementwise("sin", "Sine, of radians.", np.sin),
    elementwise("cos", "Cosine, of radians.", np.cos),
    elementwise("tan", "Tangent, of radians.", np.tan),
    elementwise("asin", "Arcsine, in radians.", np.arcsin),
    elementwise("acos", "Arccosine, in radians.", np.arccos),
    elementwise("atan", "Arctangent, in radians.", np.arctan),
    elementwise("sinh", "Hyperbolic sine.", np.sinh),
    elementwise("cosh", "Hyperbolic cosine.", np.cosh),
    elementwise("tanh", "Hyperbolic tangent.", np.tanh),
    elementwise("asinh", "Inverse hyperbolic sine.", np.arcsinh),
    elementwise("acosh", "Inverse hyperbolic cosine.", np.arccosh),
    elementwise("atanh", "Inverse hyperbolic tangent.", np.arctanh),
    elementwise("rad", "Degrees as radians.", lambda values: values * np.pi / 180),
    elementwise("deg", "Radians as degrees.", lambda values: values * 180 / np.pi),
    elementwise("sgn", "Sign of the value: 1, 0 or -1.", _sign),
    Function(
        "round", (VECTOR, SCALAR), VECTOR, "Value rounded to a multiple of 1 or of what is given.", _round, 1
    ),
    Function("clamp", (VECTOR, SCALAR, SCALAR), VECTOR, "Value kept between two bounds.", _clamp_both),
    Function("clamp_min", (VECTOR, SCALAR), VECTOR, "Value kept at or above a bound.", _clamp_min),
    Function("clamp_max", (VECTOR, SCALAR), VECTOR, "Value kept at or below a bound.", _clamp_max),
    Function(
        "scalar", (VECTOR,), SCALAR, "The only value of a vector, or NaN if there is not just one.", _scalar
    ),
    Function("vector", (SCALAR,), VECTOR, "A scalar as a vector without labels.", _vector),
    Function("pi", (), SCALAR, "The number π.", _pi),
    Function(
        "min_of",
        (SCALAR, SCALAR),
        SCALAR,
        "The lesser of two numbers.",
        _of_two(_lesser),
        experimental=True,
    ),
    Function(
        "max_of",
        (SCALAR, SCALAR),
        SCALAR,
        "The greater of two numbers.",
        _of_two(_greater),
        experimental=True,
    ),
)
