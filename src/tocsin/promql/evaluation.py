"""Walking the syntax tree: each node becomes a value at all steps of the query, or of a subquery."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

import numpy as np

from tocsin.model import Columns, Matcher, Summaries
from tocsin.promql.aggregations import aggregate
from tocsin.promql.annotations import Annotations
from tocsin.promql.ast import (
    Aggregation,
    Binary,
    Boundary,
    Call,
    Expr,
    MatrixSelector,
    Negation,
    NumberLiteral,
    StringLiteral,
    Subquery,
    VectorSelector,
)
from tocsin.promql.functions.base import RangeVector, SummaryKernel, SummaryVector
from tocsin.promql.functions.summaries import SUMMARY_KERNELS
from tocsin.promql.functions.table import TABLE
from tocsin.promql.labelsets import LabelSets, LabelSetsCache
from tocsin.promql.limits import Budget
from tocsin.promql.merging import merged
from tocsin.promql.operators import combine, negate
from tocsin.promql.result import Result
from tocsin.promql.selectors import compacted, instant_values, range_windows, summary_windows
from tocsin.promql.streams import Stream
from tocsin.promql.values import Bools, Floats, Ints, Scalar, Span, Steps, String, Value, Vector
from tocsin.promql.windows import Windows
from tocsin.storage.interface import Queryable, SummaryReader


@dataclass(frozen=True, slots=True)
class Options:
    """How a query is to be understood."""

    lookback_ms: int
    subquery_step_ms: int
    delays_names: bool


@dataclass(slots=True)
class Reader:
    """Selects from the store, each selection once a query."""

    queryable: Queryable
    budget: Budget
    summaries: SummaryReader | None = None
    _found: dict[tuple[tuple[Matcher, ...], int, int], Sequence[Columns]] = field(default_factory=dict)

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> Sequence[Columns]:
        """The samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        key = (matchers, start_ms, end_ms)
        if key not in self._found:
            self.budget.check()
            if start_ms < self.queryable.memory_start_ms:
                self.budget.wait()
            blocks = self.queryable.select(matchers, start_ms, end_ms)
            self.budget.read(
                series=sum(len(block.labels) for block in blocks),
                samples=sum(block.sample_count for block in blocks),
            )
            self._found[key] = blocks
        return self._found[key]

    def resolution_ms(self, start_ms: int, unit_ms: int) -> int:
        """The resolution of the summaries that answer for the samples from a time on; 0 for samples."""
        if self.summaries is None or start_ms >= self.queryable.memory_start_ms:
            return 0
        self.budget.wait()
        return self.summaries.resolution_ms(start_ms, unit_ms)

    def select_summaries(
        self,
        matchers: tuple[Matcher, ...],
        start_ms: int,
        end_ms: int,
        *,
        resolution_ms: int,
        fields: tuple[str, ...],
    ) -> Sequence[Summaries]:
        """The summaries of the intervals that end in ``start_ms <= end <= end_ms``."""
        self.budget.check()
        if self.summaries is None:
            return []
        blocks = self.summaries.select(matchers, start_ms, end_ms, resolution_ms=resolution_ms, fields=fields)
        self.budget.read(
            series=sum(len(block.labels) for block in blocks),
            samples=sum(block.column(fields[0]).sample_count for block in blocks),
        )
        return blocks

    def select_representatives(
        self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int, *, resolution_ms: int
    ) -> Sequence[Columns]:
        """The last samples of the intervals that end in ``start_ms <= end <= end_ms``."""
        self.budget.check()
        if self.summaries is None:
            return []
        blocks = self.summaries.representatives(matchers, start_ms, end_ms, resolution_ms=resolution_ms)
        self.budget.read(
            series=sum(len(block.labels) for block in blocks),
            samples=sum(block.sample_count for block in blocks),
        )
        return blocks


@dataclass(frozen=True)
class QueryRun:
    """One query, or one subquery of it, at its steps; see functions.base.Evaluation."""

    steps: Steps
    span: Span
    annotations: Annotations
    budget: Budget
    options: Options
    reader: Reader
    cache: LabelSetsCache

    def evaluate(self, expr: Expr) -> Value:
        """Evaluate any expression but a range vector."""
        self.budget.check()
        return _EVALUATORS[type(expr)](self, expr)

    def vector(self, expr: Expr) -> Vector:
        """Evaluate an instant vector."""
        return cast("Vector", self.evaluate(expr))

    def scalar(self, expr: Expr) -> Floats:
        """Evaluate a scalar, one number a step."""
        return cast("Scalar", self.evaluate(expr)).values

    def ranges(self, expr: Expr) -> RangeVector:
        """Evaluate a range vector."""
        self.budget.check()
        if isinstance(expr, Subquery):
            return self._subquery(expr)
        expr = cast("MatrixSelector", expr)
        selector = expr.selector
        ends_ms = self._reference_times(selector.offset_ms, selector.at)
        range_ms = expr.range_ms
        # The last samples of intervals are not all samples, so nothing computed of them is exact.
        resolution_ms = self.reader.resolution_ms(int(ends_ms[0]) - range_ms, unit_ms=1)
        if resolution_ms:
            ends_ms, range_ms = _whole_intervals(ends_ms, range_ms, resolution_ms)
        start_ms, end_ms = int(ends_ms[0]) - range_ms + 1, int(ends_ms[-1])
        if resolution_ms:
            blocks = self.reader.select_representatives(
                selector.matchers, start_ms, end_ms, resolution_ms=resolution_ms
            )
        else:
            blocks = self.reader.select(selector.matchers, start_ms, end_ms)
        return range_windows(
            blocks, ends_ms, range_ms, self.steps.times_ms, cache=self.cache, budget=self.budget
        )

    @property
    def summary_kernels(self) -> Mapping[str, SummaryKernel]:
        """The functions that can be computed from summaries, by name."""
        return SUMMARY_KERNELS

    def summary_ranges(self, expr: Expr, fields: tuple[str, ...]) -> SummaryVector | None:
        """Evaluate a range vector to summaries, if these answer for the samples; else None."""
        if not isinstance(expr, MatrixSelector):
            return None
        selector, asked_ms = expr.selector, expr.range_ms
        ends_ms = self._reference_times(selector.offset_ms, selector.at)
        unit_ms = math.gcd(_unit_ms(ends_ms), asked_ms)
        resolution_ms = self.reader.resolution_ms(int(ends_ms[0]) - asked_ms, unit_ms)
        if not resolution_ms:
            return None
        ends_ms, range_ms = _whole_intervals(ends_ms, asked_ms, resolution_ms)
        blocks = self.reader.select_summaries(
            selector.matchers,
            int(ends_ms[0]) - range_ms + 1,
            int(ends_ms[-1]),
            resolution_ms=resolution_ms,
            fields=fields,
        )
        return summary_windows(
            blocks,
            ends_ms,
            (asked_ms, range_ms),
            self.steps.times_ms,
            cache=self.cache,
            budget=self.budget,
        )

    def sample_times(self, expr: Expr) -> Vector:
        """Evaluate an instant vector to the times of its samples, in seconds."""
        if isinstance(expr, VectorSelector):
            return self.select(expr, as_times=True)
        vector = self.vector(expr)
        times_s = np.broadcast_to(self.steps.times_ms / 1000, vector.values.shape)
        return replace(vector, values=times_s)

    def stream(self, expr: Expr) -> Stream:
        """Evaluate an instant vector piece by piece."""
        function = TABLE[expr.function] if isinstance(expr, Call) else None
        if function is None or function.stream is None:
            return Stream.of(self.vector(expr))
        self.budget.check()
        return function.stream(self, cast("Call", expr))

    def without_names(self, labels: LabelSets) -> tuple[LabelSets, Bools | None]:
        """Labels without metric names, and which series are to lose theirs at the end."""
        if self.options.delays_names:
            return labels, np.ones(len(labels), dtype=bool)
        return labels.nameless, None

    def drop_names(self, vector: Vector, *, strict: bool = False) -> Vector:
        """Remove the metric names now, or mark them for removal at the end."""
        labels, nameless = self.without_names(vector.labels)
        dropped = replace(vector, labels=labels, nameless=nameless)
        return dropped if self.options.delays_names else merged(dropped, strict=strict)

    def answer(self, result: Result) -> Result:
        """Complete a result with what was noted on the way."""
        stats = replace(self.budget.stats, duration_s=time.monotonic() - self.budget.started_s)
        warnings, infos = tuple(self.annotations.warnings), tuple(self.annotations.infos)
        return replace(result, warnings=warnings, infos=infos, stats=stats)

    def _reference_times(self, offset_ms: int, at: int | Boundary | None) -> Ints:
        if at is None:
            return self.steps.times_ms - offset_ms
        if at is Boundary.START:
            at = self.span.start_ms
        elif at is Boundary.END:
            at = self.span.end_ms
        return np.full(self.steps.count, at - offset_ms, dtype=np.int64)

    def select(self, selector: VectorSelector, *, as_times: bool = False) -> Vector:
        """Evaluate an instant selector, to values or to the times of samples."""
        times_ms = self._reference_times(selector.offset_ms, selector.at)
        lookback_ms = self.options.lookback_ms
        first_ms = int(times_ms[0]) - lookback_ms
        if resolution_ms := self.reader.resolution_ms(first_ms, _unit_ms(times_ms)):
            times_ms = times_ms // resolution_ms * resolution_ms
        start_ms, end_ms = int(times_ms[0]) - lookback_ms + 1, int(times_ms[-1])
        if resolution_ms:
            blocks = self.reader.select_representatives(
                selector.matchers, start_ms, end_ms, resolution_ms=resolution_ms
            )
        else:
            blocks = self.reader.select(selector.matchers, start_ms, end_ms)
        return instant_values(
            blocks, times_ms, lookback_ms, cache=self.cache, budget=self.budget, as_times=as_times
        )

    def _subquery(self, expr: Subquery) -> RangeVector:
        ends_ms = self._reference_times(expr.offset_ms, expr.at)
        step_ms = expr.step_ms or self.options.subquery_step_ms
        # Steps are multiples of the step width, whatever the query's own times are.
        first = (int(ends_ms[0]) - expr.range_ms) // step_ms + 1
        count = max(0, int(ends_ms[-1]) // step_ms - first + 1)
        self.budget.hold(count)
        if not count:
            return RangeVector(LabelSets([]), [])
        inner = replace(self, steps=Steps(first * step_ms, step_ms, count))
        vector = inner.vector(expr.expr)
        block = _as_columns(vector, inner.steps.times_ms)
        if not block.values.size:
            return RangeVector(vector.labels, [])
        windows = Windows.over(block, ends_ms, expr.range_ms, self.steps.times_ms, self.budget)
        return RangeVector(vector.labels, [(windows, slice(0, len(vector.labels)))])


def _unit_ms(times_ms: Ints) -> int:
    """The greatest unit that all times are multiples of."""
    step_ms = int(times_ms[1] - times_ms[0]) if len(times_ms) > 1 else 0
    return math.gcd(int(times_ms[0]), step_ms)


def _whole_intervals(ends_ms: Ints, range_ms: int, resolution_ms: int) -> tuple[Ints, int]:
    """Windows of whole intervals: they end no later, and are as long or somewhat longer."""
    return ends_ms // resolution_ms * resolution_ms, -(-range_ms // resolution_ms) * resolution_ms


def _call(run: QueryRun, call: Call) -> Value:
    return TABLE[call.function].evaluate(run, call)


def _binary(run: QueryRun, node: Binary) -> Value:
    return combine(run, node, run.evaluate(node.lhs), run.evaluate(node.rhs))


def _negation(run: QueryRun, node: Negation) -> Value:
    return negate(run, run.evaluate(node.expr))


def _number(run: QueryRun, node: NumberLiteral) -> Value:
    return Scalar(np.full(run.steps.count, node.value))


def _string(_: QueryRun, node: StringLiteral) -> Value:
    return String(node.value)


_EVALUATORS: Final[dict[type, Callable[..., Value]]] = {
    NumberLiteral: _number,
    StringLiteral: _string,
    VectorSelector: QueryRun.select,
    Negation: _negation,
    Binary: _binary,
    Call: _call,
    Aggregation: aggregate,
}


def _as_columns(vector: Vector, times_ms: Ints) -> Columns:
    """The result of a subquery as samples."""
    columns = Columns(vector.labels.sets, times_ms, vector.values, has_stale=False)
    return columns if vector.present is None else compacted(columns, vector.present)
