"""Functions of time: now, the times of samples, and the parts of a date (always UTC)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from tocsin.model import Labels
from tocsin.promql.ast import Call
from tocsin.promql.functions.base import SCALAR, VECTOR, Evaluation, Function
from tocsin.promql.labelsets import LabelSets
from tocsin.promql.values import Floats, Ints, Scalar, Vector

_DAY_S: Final = 86_400
_LATEST_S: Final = 10_000_000_000_000
"""Dates are told up to some 300,000 years away; further times count as that."""


def _seconds(values: Floats) -> Ints:
    return np.clip(np.nan_to_num(values, nan=0.0), -_LATEST_S, _LATEST_S).astype(np.int64)


def _days(seconds: Ints) -> np.ndarray:
    return (seconds // _DAY_S).astype("datetime64[D]")


def _months(seconds: Ints) -> np.ndarray:
    return _days(seconds).astype("datetime64[M]")


def _year(seconds: Ints) -> Ints:
    years: Ints = _days(seconds).astype("datetime64[Y]").astype(np.int64)
    return np.asarray(years + 1970)


def _month(seconds: Ints) -> Ints:
    months: Ints = _months(seconds).astype(np.int64)
    return np.asarray(months % 12 + 1)


def _day_of_month(seconds: Ints) -> Ints:
    return np.asarray((_days(seconds) - _months(seconds).astype("datetime64[D]")).astype(np.int64) + 1)


def _day_of_year(seconds: Ints) -> Ints:
    years = _days(seconds).astype("datetime64[Y]")
    return np.asarray((_days(seconds) - years.astype("datetime64[D]")).astype(np.int64) + 1)


def _day_of_week(seconds: Ints) -> Ints:
    # 1970 began on a Thursday; weeks begin on Sunday, day 0.
    return (seconds // _DAY_S + 4) % 7


def _days_in_month(seconds: Ints) -> Ints:
    months = _months(seconds)
    days: Ints = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    return days


def _hour(seconds: Ints) -> Ints:
    return seconds % _DAY_S // 3600


def _minute(seconds: Ints) -> Ints:
    return seconds % 3600 // 60


def _date_part(name: str, summary: str, part: Callable[[Ints], Ints]) -> Function:
    def evaluate(evaluation: Evaluation, call: Call) -> Vector:
        if not call.arguments:
            values = part(evaluation.steps.times_ms // 1000).astype(np.float64)
            return Vector(LabelSets([Labels()], distinct=True), values[None, :])
        vector = evaluation.vector(call.arguments[0])
        values = np.where(
            np.isfinite(vector.values), part(_seconds(vector.values)).astype(np.float64), np.nan
        )
        return evaluation.drop_names(replace(vector, values=values))

    return Function(name, (VECTOR,), VECTOR, summary, evaluate, variadic=1)


def _time(evaluation: Evaluation, _: Call) -> Scalar:
    return Scalar(evaluation.steps.times_ms / 1000)


def _timestamp(evaluation: Evaluation, call: Call) -> Vector:
    return evaluation.drop_names(evaluation.sample_times(call.arguments[0]))


def _constant(compute: Callable[[Evaluation], float]) -> Callable[[Evaluation, Call], Scalar]:
    def evaluate(evaluation: Evaluation, _: Call) -> Scalar:
        return Scalar(np.full(evaluation.steps.count, compute(evaluation)))

    return evaluate


def _step_s(evaluation: Evaluation) -> float:
    return evaluation.span.step_ms / 1000


def _range_s(evaluation: Evaluation) -> float:
    return (evaluation.span.end_ms - evaluation.span.start_ms) / 1000


FUNCTIONS: Final[tuple[Function, ...]] = (
    Function("time", (), SCALAR, "Seconds since 1970 of the evaluation.", _time),
    Function("timestamp", (VECTOR,), VECTOR, "Seconds since 1970 of each sample.", _timestamp),
    _date_part("year", "Year, in UTC.", _year),
    _date_part("month", "Month from 1 to 12, in UTC.", _month),
    _date_part("day_of_month", "Day of the month from 1 to 31, in UTC.", _day_of_month),
    _date_part("day_of_year", "Day of the year from 1 to 366, in UTC.", _day_of_year),
    _date_part("day_of_week", "Day of the week from 0 (Sunday) to 6, in UTC.", _day_of_week),
    _date_part("days_in_month", "Number of days of the month from 28 to 31, in UTC.", _days_in_month),
    _date_part("hour", "Hour of the day from 0 to 23, in UTC.", _hour),
    _date_part("minute", "Minute of the hour from 0 to 59, in UTC.", _minute),
    Function(
        "start",
        (),
        SCALAR,
        "Seconds since 1970 at which the query begins.",
        _constant(lambda evaluation: evaluation.span.start_ms / 1000),
        experimental=True,
    ),
    Function(
        "end",
        (),
        SCALAR,
        "Seconds since 1970 at which the query ends.",
        _constant(lambda evaluation: evaluation.span.end_ms / 1000),
        experimental=True,
    ),
    Function(
        "step", (), SCALAR, "Seconds between the steps of the query.", _constant(_step_s), experimental=True
    ),
    Function(
        "range",
        (),
        SCALAR,
        "Seconds from the query's start to its end.",
        _constant(_range_s),
        experimental=True,
    ),
)
