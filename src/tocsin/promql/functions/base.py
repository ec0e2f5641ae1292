"""What a function is, and what it may ask of the evaluation that calls it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, cast

import numpy as np

from tocsin.promql.annotations import Annotations
from tocsin.promql.ast import Call, Expr, StringLiteral, ValueType
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.limits import Budget
from tocsin.promql.streams import Stream
from tocsin.promql.summary_windows import SummaryWindows
from tocsin.promql.values import Bools, Floats, Rows, Span, Steps, Value, Vector
from tocsin.promql.windows import Kernel, Windows


@dataclass(frozen=True, slots=True)
class RangeVector:
    """A selection of ranges: windows over blocks, and which of the series each block holds."""

    labels: LabelSets
    blocks: Sequence[tuple[Windows, Rows]]


@dataclass(frozen=True, slots=True)
class SummaryVector:
    """The same over summaries of samples that are not kept any more."""

    labels: LabelSets
    blocks: Sequence[tuple[SummaryWindows, Rows]]


@dataclass(frozen=True, slots=True)
class SummaryKernel:
    """How a function is computed from summaries, and which fields of them it needs."""

    fields: tuple[str, ...]
    compute: Callable[[SummaryWindows], Floats]


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

    @property
    def summary_kernels(self) -> Mapping[str, SummaryKernel]:
        """The functions that can be computed from summaries, by name."""
        ...

    def summary_ranges(self, expr: Expr, fields: tuple[str, ...]) -> SummaryVector | None:
        """Evaluate a range vector to summaries, if these answer for the samples; else None."""
        ...

    def sample_times(self, expr: Expr) -> Vector:
        """Evaluate an instant vector to the times of its samples, in seconds."""
        ...

    def stream(self, expr: Expr) -> Stream:
        """Evaluate an instant vector piece by piece."""
        ...

    def without_names(self, labels: LabelSets) -> tuple[LabelSets, Bools | None]:
        """Labels without metric names, and which series are to lose theirs at the end."""
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
    is fixed. ``stream``, where there is one, evaluates a call piece by piece.
    """

    name: str
    arguments: tuple[ValueType, ...]
    returns: ValueType
    summary: str
    evaluate: Callable[[Evaluation, Call], Value]
    variadic: int = 0
    experimental: bool = False
    needs_native_histograms: bool = False
    stream: Callable[[Evaluation, Call], Stream] | None = None

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


Check = Callable[[Evaluation, list[Floats], LabelSets], None]


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

    Windows with fewer than ``minimum`` samples have no result. ``check`` sees the scalars, and the labels
    of the series that have results. Where samples are too old to be kept, the function is computed from
    their summaries, or sees the last sample of each interval.
    """
    position = arguments.index(MATRIX)

    def computed(evaluation: Evaluation, expr: Expr, scalars: list[Floats]) -> Stream:
        steps = evaluation.steps.count
        if (on_summaries := evaluation.summary_kernels.get(name)) is not None:
            summaries = evaluation.summary_ranges(expr, on_summaries.fields)
            if summaries is not None:
                return _stream(summaries, on_summaries.compute, scalars, steps, minimum)
        return _stream(evaluation.ranges(expr), kernel, scalars, steps, minimum)

    def named(evaluation: Evaluation, call: Call) -> Stream:
        scalars = [evaluation.scalar(a) for i, a in enumerate(call.arguments) if i != position]
        stream = computed(evaluation, call.arguments[position], scalars)
        if check is not None and (labels := stream.present_labels):
            check(evaluation, scalars, labels)
        return stream

    def evaluate(evaluation: Evaluation, call: Call) -> Vector:
        vector = named(evaluation, call).collected()
        return vector if keeps_name else evaluation.drop_names(vector, strict=True)

    def stream(evaluation: Evaluation, call: Call) -> Stream:
        found = named(evaluation, call)
        if keeps_name:
            return found
        labels, nameless = evaluation.without_names(found.labels)
        if not labels.distinct:
            return Stream.of(evaluation.drop_names(found.collected(), strict=True))
        return replace(found, labels=labels, nameless=nameless)

    return Function(name, arguments, VECTOR, summary, evaluate, experimental=experimental, stream=stream)


def _stream(
    ranges: RangeVector | SummaryVector, kernel: Kernel, scalars: list[Floats], steps: int, minimum: int
) -> Stream:
    """The results of all blocks."""
    shape = (len(ranges.labels), steps)
    sources = [(rows, partial(block.pieces, kernel, scalars)) for block, rows in ranges.blocks]
    for block, _ in ranges.blocks:
        block.budget.hold(shape[0] * steps)
    return Stream(ranges.labels, steps, sources, _presence(ranges, shape, minimum))


def _presence(ranges: RangeVector | SummaryVector, shape: tuple[int, int], minimum: int) -> Bools | None:
    """Which windows have enough samples; None when all have."""
    enough = [block.counts >= minimum for block, _ in ranges.blocks]
    if enough and sum(block.shape[0] for block, _ in ranges.blocks) == shape[0]:
        if all(each.all() for each in enough):
            return None
        if all(each.ndim == 1 and (each == enough[0]).all() for each in enough):
            return np.broadcast_to(enough[0], shape)
    present = np.zeros(shape, dtype=bool)
    for (_, rows), each in zip(ranges.blocks, enough, strict=True):
        present[rows] = each
    return present


def text(expr: Expr) -> str:
    """The string that an argument is; strings are always literals."""
    return cast("StringLiteral", expr).value
