"""Answers of an engine in the form in which tocsin's own engine answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.errors import StorageError
from tocsin.model import Columns, Labels
from tocsin.model.columns import PADDING_MS
from tocsin.promql.ast import ValueType
from tocsin.promql.limits import Budget
from tocsin.promql.result import Result, no_values
from tocsin.storage.remote.answers import Samples, has_histograms, read_matrix, read_vector
from tocsin.storage.remote.client import Answer

_NO_HISTOGRAMS: Final = "native histograms are left out of the result"

Json = Sequence[Mapping[str, Any]]


def instant_result(answer: Answer, at_ms: int, budget: Budget) -> Result:
    """The answer to an instant query; raises QueryLimitError when it is larger than allowed."""
    kind, content = _content(answer)
    times_ms = np.array([at_ms])
    match kind:
        case "scalar":
            values = np.array([[float(content[1])]])
            return _finished(Result(ValueType.SCALAR, [Labels()], times_ms, values), answer, budget)
        case "string":
            text = str(content[1])
            result = Result(ValueType.STRING, [], times_ms, no_values(1), string=text)
            return _finished(result, answer, budget)
        case "vector":
            return _finished(_vector(content, times_ms), answer, budget)
        case _:
            return _finished(_ranges(read_matrix(content)), answer, budget)


def range_result(answer: Answer, grid_ms: npt.NDArray[np.int64], budget: Budget) -> Result:
    """The answer to a range query with these steps; raises QueryLimitError when it is larger than allowed."""
    _, content = _content(answer)
    found = sorted(read_matrix(content), key=lambda samples: samples.labels)
    times_ms = np.unique(np.concatenate([grid_ms, *(samples.timestamps_ms for samples in found)]))
    budget.hold(len(found) * len(times_ms))
    values = np.full((len(found), len(times_ms)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for row, samples in enumerate(found):
        columns = np.searchsorted(times_ms, samples.timestamps_ms)
        values[row, columns] = samples.values
        present[row, columns] = True
    labels = [samples.labels for samples in found]
    gaps = None if present.all() else present
    return _finished(Result(ValueType.MATRIX, labels, times_ms, values, gaps), answer, budget)


def _content(answer: Answer) -> tuple[str, Any]:
    try:
        return answer.data["resultType"], answer.data["result"] or []
    except (KeyError, TypeError) as error:
        raise StorageError("the engine's answer holds no result (see query_url)") from error


def _vector(content: Json, times_ms: npt.NDArray[np.int64]) -> Result:
    found = read_vector(content)
    values = np.array([value for _, value in found], dtype=np.float64).reshape(-1, 1)
    return Result(ValueType.VECTOR, [labels for labels, _ in found], times_ms, values)


def _ranges(found: Sequence[Samples]) -> Result:
    labels = [samples.labels for samples in found]
    columns = Columns.ragged(labels, [(samples.timestamps_ms, samples.values) for samples in found])
    present = columns.timestamps_ms != PADDING_MS
    return Result(ValueType.MATRIX, labels, columns.timestamps_ms, columns.values, present)


def _finished(result: Result, answer: Answer, budget: Budget) -> Result:
    """A result with what the engine said beside it, accounted for."""
    count = result.values.size if result.present is None else int(result.present.sum())
    budget.read(series=len(result.labels), samples=count)
    budget.stats.duration_s = time.monotonic() - budget.started_s
    is_cut = isinstance(answer.data["result"], list) and _has_histograms(answer.data["result"])
    warnings = (*answer.warnings, _NO_HISTOGRAMS) if is_cut else answer.warnings
    return replace(result, warnings=warnings, infos=answer.infos, stats=budget.stats)


def _has_histograms(content: Sequence[Any]) -> bool:
    return has_histograms(series for series in content if isinstance(series, dict))
