"""What a function is, and what it may ask of the evaluation that calls it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from tocsin.promql.annotations import Annotations
from tocsin.promql.ast import Call, Expr, StringLiteral, ValueType
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.limits import Budget
from tocsin.promql.values import Floats, Ints, Span, Steps, Value, Vector, empty_vector
from tocsin.promql.windows import Kernel, Windows


@dataclass(frozen=True, slots=True)
class RangeVector:
    """A selection of ranges: windows over blocks, and which of the series each block holds.

    A block that holds all series, in order, has None for its rows.
    """

    labels: LabelSets
    blocks: Sequence[tuple[Windows, Ints | None]]


class Evaluation(Protocol):
    """One query, or subquery, being evaluated at its steps."""

    @property
    def steps(self) -> Steps:
        """The times of evaluation."""
        ...

    @property
    def span(self) -> Span:
        """What the whole query was asked for, also within a subquery."""
        ...

    @property
    def annotations(self) -> Annotations:
        """Where warnings and infos go."""
        ...

    @property
    def budget(self) -> Budget:
        """What the query may still take."""
        ...

    def vector(self, expr: Expr) -> Vector:
        """Evaluate an instant vector."""
        ...

    def scalar(self, expr: Expr) -> Floats:
        """Evaluate a scalar, one number a step."""
        ...

    def ranges(self, expr: Expr) -> RangeVector:
        """Evaluate a range vector."""
        ...

    def sample_times(self, expr: Expr) -> Vector:
        """Evaluate an instant vector to the times of its samples, in seconds."""
        ...

    def drop_names(self, vector: Vector, *, strict: bool = False) -> Vector:
        """Remove the metric names now, or at the end when that is delayed.

        Series that become alike are merged, and are an error where they overlap, or always when strict.
        """
        ...


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    Of its arguments the last may be optional or repeated: ``variadic`` says how many more than
    ``len(arguments) - 1`` there may be at most, -1 that there is no bound, and 0 that their number
    is fixed.
    """

    name: str
    arguments: tuple[ValueType, ...]
    returns: ValueType
    summary: str
    evaluate: Callable[[Evaluation, Call], Value]
    variadic: int = 0
    experimental: bool = False
    needs_native_histograms: bool = False

    @property
    def argument_counts(self) -> tuple[int, float]:
        """The least and greatest number of arguments."""
        if self.variadic == 0:
            return len(self.arguments), len(self.arguments)
        least = len(self.arguments) - 1
        return least, math.inf if self.variadic < 0 else least + self.variadic


SCALAR, VECTOR, MATRIX, STRING = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING


def elementwise(name: str, summary: str, compute: Callable[[Floats], Floats]) -> Function:
    """A function of each value by itself."""

    def evaluate(evaluation: Evaluation, call: Call) -> Vector:
        vector = evaluation.vector(call.arguments[0])
        with np.errstate(all="ignore"):
            values = compute(vector.values)
        return evaluation.drop_names(Vector(vector.labels, values, vector.present, vector.nameless))

    return Function(name, (VECTOR,), VECTOR, summary, evaluate)


Check = Callable[[Evaluation, list[Floats], Vector], None]


def over_ranges(
    name: str,
    summary: str,
    kernel: Kernel,
    *,
    arguments: tuple[ValueType, ...] = (MATRIX,),
    minimum: int = 1,
    keeps_name: bool = False,
    experimental: bool = False,
    check: Check | None = None,
) -> Function:
    """A function of each window by itself, given as a kernel from windows and scalars to values.

    Windows with fewer than ``minimum`` samples have no result. ``check`` sees scalars and result.
    """
    position = arguments.index(MATRIX)

    def evaluate(evaluation: Evaluation, call: Call) -> Vector:
        scalars = [evaluation.scalar(a) for i, a in enumerate(call.arguments) if i != position]
        ranges = evaluation.ranges(call.arguments[position])
        if not ranges.blocks:
            return empty_vector(evaluation.steps.count)
        vector = _evaluate_blocks(ranges, kernel, scalars, minimum)
        if check is not None:
            check(evaluation, scalars, vector)
        return vector if keeps_name else evaluation.drop_names(vector, strict=True)

    return Function(name, arguments, VECTOR, summary, evaluate, experimental=experimental)


def _evaluate_blocks(ranges: RangeVector, kernel: Kernel, scalars: list[Floats], minimum: int) -> Vector:
    """The results of all blocks as one vector, without the series that have none."""
    if ranges.blocks[0][1] is None:
        block = ranges.blocks[0][0]
        vector, present = Vector(ranges.labels, block.map(kernel, scalars)), block.present(minimum)
        return vector if present is None else vector.with_present(present)
    shape = (len(ranges.labels), ranges.blocks[0][0].shape[1])
    values, present = np.empty(shape), np.zeros(shape, dtype=bool)
    for block, rows in ranges.blocks:
        values[rows] = block.map(kernel, scalars)
        present[rows] = block.counts >= minimum
    return Vector(ranges.labels, values).with_present(present)


def text(expr: Expr) -> str:
    """The string that an argument is; strings are always literals."""
    return cast("StringLiteral", expr).value
