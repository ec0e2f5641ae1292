"""Prometheus' tests of PromQL engines: load samples, evaluate, compare.

Each instant evaluation is run a second time as a range query of three steps around its time,
which must agree in the middle.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from tocsin.errors import ConfigError, ParseError, QueryError, TocsinError
from tocsin.model import Labels, SampleBatch
from tocsin.promql.ast import Boundary, Call, Expr, Subquery, ValueType, VectorSelector, children
from tocsin.promql.engine import Engine
from tocsin.promql.parser import parse
from tocsin.promql.points import Point
from tocsin.promql.result import Result
from tocsin.promql.script import Clear, Command, Eval, Load, read_script
from tocsin.storage.interface import Queryable

RELATIVE_TOLERANCE: Final = 1e-6
"""By how much values may differ relative to their size, as in Prometheus' own runner."""

_RERUN_STEP_MS: Final = 60_000
_OF_THE_WHOLE_QUERY: Final = frozenset({"start", "end", "range", "step"})


class Store(Queryable, Protocol):
    """What a script loads its samples into."""

    def append_batch(self, batch: SampleBatch) -> None:
        """Add samples."""
        ...


@dataclass(slots=True)
class Report:
    """What came of running scripts; failures as ``file:line: sentence``."""

    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many evaluations were run."""
        return self.passed + len(self.failures)

    def __str__(self) -> str:
        return f"promql: {self.passed}/{self.total} evals, {self.skipped} skipped"


def read_skips(path: Path) -> dict[str, frozenset[int]]:
    """Read which lines of which files to leave out: every list of numbers below a file's name."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read as JSON: {error}", file=str(path)) from None
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise ConfigError("must be an object of objects, one for each test file", file=str(path))
    return {
        name: frozenset(
            line
            for lines in entry.values()
            if isinstance(lines, list)
            for line in lines
            if isinstance(line, int)
        )
        for name, entry in content.items()
    }


def run_file(path: Path, make_store: Callable[[], Store], skips: Collection[int], report: Report) -> None:
    """Run one script on stores of its own; raises ConfigError when it cannot be read."""
    try:
        commands = read_script(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except ParseError as error:
        raise ConfigError(error.message, file=str(path), line=error.line) from None
    for line, failure in _run(commands, make_store, skips):
        if failure is None:
            report.skipped += 1
        elif failure:
            report.failures.append(f"{path}:{line}: {failure}")
        else:
            report.passed += 1


def _run(
    commands: list[Command], make_store: Callable[[], Store], skips: Collection[int]
) -> Iterator[tuple[int, str | None]]:
    """The outcome of each evaluation: empty when it passed, None when it was skipped."""
    store = make_store()
    for command in commands:
        match command:
            case Clear():
                store = make_store()
            case Load():
                store.append_batch(_batch(command))
            case Eval(line=line) if line in skips:
                yield line, None
            case Eval():
                yield command.line, run_eval(_engine(store), command)


def _engine(store: Store) -> Engine:
    return Engine(store, enable_delayed_name_removal=True, enable_experimental=True)


def _batch(load: Load) -> SampleBatch:
    return SampleBatch.from_samples(
        (labels, position * load.step_ms, point)
        for labels, points in load.series
        for position, point in enumerate(points)
        if isinstance(point, float)
    )


def run_eval(engine: Engine, evaluation: Eval) -> str:
    """Run one evaluation; returns what is wrong, or an empty string."""
    try:
        result = _answer(engine, evaluation)
    except QueryError as error:
        return _compare_error(evaluation, error)
    except TocsinError as error:
        return f"{evaluation.query}: {error}"
    if "fail" in evaluation.expects:
        return f"{evaluation.query}: must fail, got {_show(result)}"
    problem = _compare_annotations(evaluation, result) or _compare(evaluation, result)
    if not problem and _can_rerun(evaluation, result):
        problem = _rerun(engine, evaluation)
    return f"{evaluation.query}: {problem}" if problem else ""


def _answer(engine: Engine, evaluation: Eval) -> Result:
    if evaluation.is_instant:
        return engine.instant(evaluation.query, evaluation.start_ms)
    return engine.range(evaluation.query, evaluation.start_ms, evaluation.end_ms, evaluation.step_ms)


def _compare_error(evaluation: Eval, error: QueryError) -> str:
    if "fail" not in evaluation.expects:
        return f"{evaluation.query}: failed: {error}"
    how, text = evaluation.expects["fail"]
    if (how == "msg" and text not in str(error)) or (how == "regex" and not re.search(text, str(error))):
        return f'{evaluation.query}: got the error "{error}", wanted "{text}"'
    return ""


def _compare_annotations(evaluation: Eval, result: Result) -> str:
    for kind, found in (("warn", result.warnings), ("info", result.infos)):
        if kind in evaluation.expects and not found:
            return f"got no {kind} annotation, wanted one"
        if f"no_{kind}" in evaluation.expects and found:
            return f"got the {kind} annotation {found[0]!r}, wanted none"
    return ""


def _compare(evaluation: Eval, result: Result) -> str:
    if evaluation.string is not None:
        is_right = result.type is ValueType.STRING and result.string == evaluation.string
        return "" if is_right else f"got {_show(result)}, wanted {evaluation.string!r}"
    if evaluation.scalar is not None and evaluation.is_instant:
        is_right = result.type is ValueType.SCALAR and almost_equal(result.scalar, evaluation.scalar)
        return "" if is_right else f"got {_show(result)}, wanted {evaluation.scalar:g}"
    if "ordered" in evaluation.expects:
        problem = _compare_order(evaluation.rows, result)
        if problem:
            return problem
    return _compare_rows(evaluation.rows, result, _expected_times(evaluation))


def _expected_times(evaluation: Eval) -> range:
    if evaluation.matrix_times_ms is not None:
        return evaluation.matrix_times_ms
    if evaluation.is_instant:
        return range(evaluation.start_ms, evaluation.start_ms + 1)
    return range(evaluation.start_ms, evaluation.end_ms + 1, evaluation.step_ms)


def _compare_order(rows: list[tuple[Labels, list[Point]]], result: Result) -> str:
    got, wanted = list(result.labels), [labels for labels, _ in rows]
    return "" if got == wanted else f"got the order {_listed(got)}, wanted {_listed(wanted)}"


def _compare_rows(rows: list[tuple[Labels, list[Point]]], result: Result, times_ms: range) -> str:
    got = {
        labels: dict(zip(times.tolist(), values.tolist(), strict=True))
        for labels, times, values in result.series()
    }
    wanted = {
        labels: {
            time_ms: point for time_ms, point in zip(times_ms, points, strict=False) if point is not None
        }
        for labels, points in rows
    }
    if got.keys() != wanted.keys():
        return f"got the series {_listed(got)}, wanted {_listed(wanted)}"
    for labels, points in wanted.items():
        if got[labels].keys() != points.keys():
            return f"{labels}: got samples at {sorted(got[labels])} ms, wanted {sorted(points)} ms"
        for time_ms, point in points.items():
            value = got[labels][time_ms]
            if not isinstance(point, float) or not almost_equal(value, point):
                return f"{labels} at {time_ms} ms: got {value!r}, wanted {point!r}"
    return ""


def _listed(series: Collection[Labels]) -> str:
    return ", ".join(map(str, series)) or "none"


def almost_equal(left: float, right: float) -> bool:
    """Whether two values are the same within the tolerance; NaN is the same as NaN."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    if left == right:
        return True
    if math.isinf(left) or math.isinf(right):
        return False
    smallest = np.finfo(np.float64).smallest_normal
    magnitude = abs(left) + abs(right)
    if left == 0 or right == 0 or magnitude < smallest:
        return bool(abs(left - right) < RELATIVE_TOLERANCE * smallest)
    return abs(left - right) / min(magnitude, np.finfo(np.float64).max) < RELATIVE_TOLERANCE


def _can_rerun(evaluation: Eval, result: Result) -> bool:
    """Order is not defined for range queries, and some functions tell where the query begins."""
    return (
        evaluation.is_instant
        and "ordered" not in evaluation.expects
        and result.type in (ValueType.SCALAR, ValueType.VECTOR)
        and not _depends_on_query(parse(evaluation.query, enable_experimental=True))
    )


def _depends_on_query(expr: Expr) -> bool:
    match expr:
        case Call(function) if function in _OF_THE_WHOLE_QUERY:
            return True
        case VectorSelector(at=Boundary()) | Subquery(at=Boundary()):
            return True
    return any(map(_depends_on_query, children(expr)))


def _rerun(engine: Engine, evaluation: Eval) -> str:
    at_ms = evaluation.start_ms
    try:
        result = engine.range(
            evaluation.query, at_ms - _RERUN_STEP_MS, at_ms + _RERUN_STEP_MS, _RERUN_STEP_MS
        )
    except QueryError as error:
        return f"as a range query: failed: {error}"
    middle = result.mask[:, 1]
    at_time = replace(
        result,
        labels=[labels for labels, exists in zip(result.labels, middle.tolist(), strict=True) if exists],
        timestamps_ms=result.timestamps_ms[1:2],
        values=result.values[middle, 1:2],
        present=None,
    )
    rows = evaluation.rows
    if evaluation.scalar is not None:
        rows = [(Labels(), [evaluation.scalar])]
    problem = _compare_rows(rows, at_time, _expected_times(evaluation))
    return f"as a range query: {problem}" if problem else ""


def _show(result: Result) -> str:
    if result.type is ValueType.STRING:
        return repr(result.string)
    shown = [f"{labels} {values.tolist()}" for labels, _, values in result.series()]
    return "; ".join(shown) or "nothing"
