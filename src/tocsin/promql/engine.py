"""The engine: evaluates queries over whatever can be selected from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import Columns, Labels, Matcher
from tocsin.model.columns import PADDING_MS
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
    ValueType,
    VectorSelector,
)
from tocsin.promql.checker import value_type
from tocsin.promql.functions.base import RangeVector
from tocsin.promql.functions.table import TABLE
from tocsin.promql.labelsets import LabelSetsCache
from tocsin.promql.limits import Budget, QueryLimits
from tocsin.promql.merging import finally_nameless, merged
from tocsin.promql.operators import combine, negate
from tocsin.promql.parser import parse
from tocsin.promql.result import Result, no_values
from tocsin.promql.selectors import compacted, instant_values, range_windows
from tocsin.promql.values import Floats, Ints, Scalar, Span, Steps, String, Value, Vector
from tocsin.storage.interface import Queryable

DEFAULT_LOOKBACK_MS: Final = 300_000
DEFAULT_SUBQUERY_STEP_MS: Final = 60_000


class Engine:
    """Answers PromQL queries; one engine serves any number of threads.

    ``lookback_ms`` is how far back an instant selector looks for a sample, and ``limits`` what a
    query may take. ``enable_delayed_name_removal`` drops metric names at the end of a query
    rather than operator by operator, and ``enable_experimental`` admits experimental functions.

    >>> Engine(store).instant("sum(up)", at_ms=1_700_000_000_000).samples()  # doctest: +SKIP
    [(Labels({}), 3.0)]
    """

    def __init__(
        self,
        queryable: Queryable,
        *,
        lookback_ms: int = DEFAULT_LOOKBACK_MS,
        limits: QueryLimits = QueryLimits(),  # noqa: B008 - immutable
        subquery_step_ms: int = DEFAULT_SUBQUERY_STEP_MS,
        enable_delayed_name_removal: bool = False,
        enable_experimental: bool = False,
    ) -> None:
        self._queryable = queryable
        self._lookback_ms = lookback_ms
        self._limits = limits
        self._subquery_step_ms = subquery_step_ms
        self._delays_names = enable_delayed_name_removal
        self._enable_experimental = enable_experimental
        self._cache = LabelSetsCache()

    def instant(
        self,
        query: str,
        at_ms: int,
        *,
        limits: QueryLimits | None = None,
        lookback_ms: int | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Evaluate a query at one time.

        Raises QuerySyntaxError, QueryLimitError, QueryCancelledError, or QueryError when the
        query cannot be answered for what the data is.
        """
        expr = parse(query, enable_experimental=self._enable_experimental)
        run = self._start(Span(at_ms, at_ms, 0), limits, lookback_ms, cancelled)
        if value_type(expr) is ValueType.MATRIX:
            return self._ranges(run, expr)
        return self._finish(run, expr, value_type(expr))

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        limits: QueryLimits | None = None,
        lookback_ms: int | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Evaluate a query at every step from start to end; raises as :meth:`instant` does."""
        expr = parse(query, enable_experimental=self._enable_experimental)
        if value_type(expr) not in (ValueType.SCALAR, ValueType.VECTOR):
            raise QueryError(
                f'invalid expression type "{_TYPE_NAMES[value_type(expr)]}" for range query, '
                "must be Scalar or instant Vector"
            )
        if step_ms <= 0:
            raise QueryError(f"zero or negative query resolution step widths are not accepted: {step_ms} ms")
        if end_ms < start_ms:
            raise QueryError(f"end timestamp {end_ms} must not be before start time {start_ms}")
        span = Span(start_ms, end_ms, step_ms)
        return self._finish(self._start(span, limits, lookback_ms, cancelled), expr, ValueType.MATRIX)

    def _start(
        self,
        span: Span,
        limits: QueryLimits | None,
        lookback_ms: int | None,
        cancelled: threading.Event | None,
    ) -> _Run:
        budget = Budget(limits or self._limits, cancelled)
        budget.hold(span.steps.count)
        options = _Options(
            self._lookback_ms if lookback_ms is None else lookback_ms,
            self._subquery_step_ms,
            self._delays_names,
        )
        reader = _Reader(self._queryable, budget)
        return _Run(span.steps, span, Annotations(), budget, options, reader, self._cache)

    def _finish(self, run: _Run, expr: Expr, result_type: ValueType) -> Result:
        value = run.evaluate(expr)
        string = value.value if isinstance(value, String) else ""
        if isinstance(value, Vector):
            vector = finally_nameless(value)
            if result_type is ValueType.MATRIX and len(vector.labels) > 1:
                vector = vector.take(vector.labels.order)
            labels, values, present = vector.labels.sets, vector.values, vector.present
        else:
            values = value.values[None, :] if isinstance(value, Scalar) else no_values(1)
            labels, present = [Labels()] * len(values), None
        return run.answer(Result(result_type, labels, run.steps.times_ms, values, present, string))

    def _ranges(self, run: _Run, expr: Expr) -> Result:
        labels, rows = [], []
        ranges = run.ranges(expr)
        offset = 0
        for block in ranges.blocks:
            for row in range(block.shape[0]):
                first, stop = (
                    int(np.broadcast_to(edge, block.shape)[row, 0]) for edge in (block.first, block.stop)
                )
                if first < stop:
                    times_ms = block.timestamps_ms if block.is_shared else block.timestamps_ms[row]
                    labels.append(ranges.labels.sets[offset + row])
                    rows.append((times_ms[first:stop], block.values[row, first:stop]))
            offset += block.shape[0]
        columns = Columns.ragged(labels, rows)
        present = columns.timestamps_ms != PADDING_MS
        return run.answer(Result(ValueType.MATRIX, labels, columns.timestamps_ms, columns.values, present))


_TYPE_NAMES: Final = {ValueType.MATRIX: "range vector", ValueType.STRING: "string"}


@dataclass(frozen=True, slots=True)
class _Options:
    lookback_ms: int
    subquery_step_ms: int
    delays_names: bool


@dataclass(slots=True)
class _Reader:
    """Selects from the store, each selection once a query."""

    queryable: Queryable
    budget: Budget
    _found: dict[tuple[tuple[Matcher, ...], int, int], Sequence[Columns]] = field(default_factory=dict)

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> Sequence[Columns]:
        key = (matchers, start_ms, end_ms)
        if key not in self._found:
            self.budget.check()
            blocks = self.queryable.select(matchers, start_ms, end_ms)
            self.budget.read(
                series=sum(len(block.labels) for block in blocks),
                samples=sum(block.sample_count for block in blocks),
            )
            self._found[key] = blocks
        return self._found[key]


@dataclass(frozen=True)
class _Run:
    """One query, or one subquery of it, at its steps; see functions.base.Evaluation."""

    steps: Steps
    span: Span
    annotations: Annotations
    budget: Budget
    options: _Options
    reader: _Reader
    cache: LabelSetsCache

    def evaluate(self, expr: Expr) -> Value:
        """Evaluate any expression but a range vector."""
        self.budget.check()
        return _EVALUATORS[type(expr)](self, expr)

    def vector(self, expr: Expr) -> Vector:
        return cast("Vector", self.evaluate(expr))

    def scalar(self, expr: Expr) -> Floats:
        return cast("Scalar", self.evaluate(expr)).values

    def ranges(self, expr: Expr) -> RangeVector:
        self.budget.check()
        if isinstance(expr, Subquery):
            return self._subquery(expr)
        expr = cast("MatrixSelector", expr)
        selector = expr.selector
        ends_ms = self._reference_times(selector.offset_ms, selector.at)
        blocks = self.reader.select(selector.matchers, int(ends_ms[0]) - expr.range_ms + 1, int(ends_ms[-1]))
        return range_windows(blocks, ends_ms, expr.range_ms, self.steps.times_ms, cache=self.cache)

    def sample_times(self, expr: Expr) -> Vector:
        if isinstance(expr, VectorSelector):
            return self.select(expr, as_times=True)
        vector = self.vector(expr)
        times_s = np.broadcast_to(self.steps.times_ms / 1000, vector.values.shape)
        return replace(vector, values=times_s)

    def drop_names(self, vector: Vector, *, strict: bool = False) -> Vector:
        if self.options.delays_names:
            return replace(vector, nameless=np.ones(len(vector.labels), dtype=bool))
        return merged(replace(vector, labels=vector.labels.nameless), strict=strict)

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
        blocks = self.reader.select(selector.matchers, int(times_ms[0]) - lookback_ms + 1, int(times_ms[-1]))
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
        inner = replace(self, steps=Steps(first * step_ms, step_ms, count))
        if not count:
            return range_windows([], ends_ms, expr.range_ms, self.steps.times_ms, cache=self.cache)
        vector = inner.vector(expr.expr)
        blocks = [_as_columns(vector, inner.steps.times_ms)]
        ranges = range_windows(blocks, ends_ms, expr.range_ms, self.steps.times_ms, cache=self.cache)
        return RangeVector(vector.labels, ranges.blocks) if ranges.blocks else ranges


def _call(run: _Run, call: Call) -> Value:
    return TABLE[call.function].evaluate(run, call)


def _binary(run: _Run, node: Binary) -> Value:
    return combine(run, node, run.evaluate(node.lhs), run.evaluate(node.rhs))


def _negation(run: _Run, node: Negation) -> Value:
    return negate(run, run.evaluate(node.expr))


def _number(run: _Run, node: NumberLiteral) -> Value:
    return Scalar(np.full(run.steps.count, node.value))


def _string(_: _Run, node: StringLiteral) -> Value:
    return String(node.value)


_EVALUATORS: Final[dict[type, Callable[..., Value]]] = {
    NumberLiteral: _number,
    StringLiteral: _string,
    VectorSelector: _Run.select,
    Negation: _negation,
    Binary: _binary,
    Call: _call,
    Aggregation: aggregate,
}


def _as_columns(vector: Vector, times_ms: Ints) -> Columns:
    """The result of a subquery as samples."""
    columns = Columns(vector.labels.sets, times_ms, vector.values, has_stale=False)
    return columns if vector.present is None else compacted(columns, vector.present)
