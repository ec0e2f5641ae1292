"""The engine: evaluates queries over whatever can be selected from."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from tocsin.errors import QueryError
from tocsin.model import Columns, Labels
from tocsin.model.columns import PADDING_MS
from tocsin.promql.annotations import Annotations
from tocsin.promql.ast import Expr, ValueType
from tocsin.promql.checker import value_type
from tocsin.promql.evaluation import Options, QueryRun, Reader
from tocsin.promql.labelsets import LabelSetsCache
from tocsin.promql.limits import Budget, QueryLimits
from tocsin.promql.merging import finally_nameless
from tocsin.promql.parser import parse
from tocsin.promql.result import Result, no_values
from tocsin.promql.values import Floats, Ints, Scalar, Span, String, Vector
from tocsin.storage.interface import Queryable, SummaryReader

DEFAULT_LOOKBACK_MS: Final = 300_000
DEFAULT_SUBQUERY_STEP_MS: Final = 60_000


class Engine:
    """Answers PromQL queries; one engine serves any number of threads.

    ``lookback_ms`` is how far back an instant selector looks for a sample, and ``limits`` what a
    query may take. ``enable_delayed_name_removal`` drops metric names at the end of a query
    rather than operator by operator, and ``enable_experimental`` admits experimental functions.
    ``summaries`` answer for samples that are not kept any more.

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
        summaries: SummaryReader | None = None,
    ) -> None:
        self._queryable = queryable
        self._summaries = summaries
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
        quickly: bool = False,
    ) -> Result:
        """Evaluate a query at one time.

        Raises QuerySyntaxError, QueryLimitError, QueryCancelledError, or QueryError when the
        query cannot be answered for what the data is; with ``quickly`` NotQuickError when it cannot
        be answered within milliseconds from what is in memory.
        """
        expr = parse(query, enable_experimental=self._enable_experimental)
        run = self._start(Span(at_ms, at_ms, 0), limits, lookback_ms, cancelled, quickly=quickly)
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
        quickly: bool = False,
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
        run = self._start(span, limits, lookback_ms, cancelled, quickly=quickly)
        return self._finish(run, expr, ValueType.MATRIX)

    def _start(
        self,
        span: Span,
        limits: QueryLimits | None,
        lookback_ms: int | None,
        cancelled: threading.Event | None,
        *,
        quickly: bool,
    ) -> QueryRun:
        budget = Budget(limits or self._limits, cancelled, quickly)
        budget.hold(span.steps.count)
        options = Options(
            self._lookback_ms if lookback_ms is None else lookback_ms,
            self._subquery_step_ms,
            self._delays_names,
        )
        reader = Reader(self._queryable, budget, self._summaries)
        return QueryRun(span.steps, span, Annotations(), budget, options, reader, self._cache)

    def _finish(self, run: QueryRun, expr: Expr, result_type: ValueType) -> Result:
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

    def _ranges(self, run: QueryRun, expr: Expr) -> Result:
        ranges = run.ranges(expr)
        found: dict[int, tuple[Ints, Floats]] = {}
        for block, rows in ranges.blocks:
            numbers = np.arange(len(ranges.labels))[rows].tolist()
            found |= {
                number: samples
                for number, samples in zip(numbers, block.samples_of_first_step(), strict=True)
                if len(samples[0])
            }
        labels = [ranges.labels.sets[number] for number in sorted(found)]
        columns = Columns.ragged(labels, [found[number] for number in sorted(found)])
        present = columns.timestamps_ms != PADDING_MS
        return run.answer(Result(ValueType.MATRIX, labels, columns.timestamps_ms, columns.values, present))


_TYPE_NAMES: Final = {ValueType.MATRIX: "range vector", ValueType.STRING: "string"}
