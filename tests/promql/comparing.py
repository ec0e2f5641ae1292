"""Answers as plain dictionaries, and how two of them differ."""

from __future__ import annotations

import math

from tocsin.errors import QueryError
from tocsin.model import Labels
from tocsin.promql import Engine

Answer = dict[Labels, dict[int, float]]


def ask(engine: Engine, query: str, start_ms: int, end_ms: int, step_ms: int) -> Answer | None:
    """The answer to a range query, or an instant one when start and end are the same; None is an error."""
    try:
        is_instant = start_ms == end_ms
        result = (
            engine.instant(query, start_ms) if is_instant else engine.range(query, start_ms, end_ms, step_ms)
        )
    except QueryError:
        return None
    return {
        labels: dict(zip(times.tolist(), values.tolist(), strict=True))
        for labels, times, values in result.series()
    }


def difference(got: Answer | None, wanted: Answer | None, *, relative: float, absolute: float) -> str:
    """The first difference beyond the tolerances, as a sentence."""
    if got is None or wanted is None:
        return "" if got is wanted else f"got {got}, wanted {wanted}"
    if got.keys() != wanted.keys():
        return f"got the series {sorted(map(str, got))}, wanted {sorted(map(str, wanted))}"
    for labels, points in wanted.items():
        if got[labels].keys() != points.keys():
            return f"{labels}: got samples at {sorted(got[labels])}, wanted {sorted(points)}"
        for time_ms, value in points.items():
            mine = got[labels][time_ms]
            same = mine == value or (math.isnan(mine) and math.isnan(value))
            if not same and not math.isclose(mine, value, rel_tol=relative, abs_tol=absolute):
                return f"{labels} at {time_ms}: got {mine!r}, wanted {value!r}"
    return ""
