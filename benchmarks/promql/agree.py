"""Whether two servers say the same: the same series, at the same times, with the same values."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from tocsin.model import METRIC_NAME

RELATIVE_TOLERANCE = 1e-9
"""Room for sums in another order; absolutely, too, as a z-score subtracts nearly equal numbers."""

Points = dict[float, float]
Answer = dict[str, Points]


def answer_of(body: bytes) -> Answer:
    """Read the answer to a query: points by series."""
    result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
    return {
        json.dumps(series["metric"], sort_keys=True): {
            float(time): float(value) for time, value in series.get("values") or [series["value"]]
        }
        for series in result
    }


def without_names_and_nan(answer: Answer) -> Answer:
    """What VictoriaMetrics can be held to: it writes no NaN, and some of its functions keep metric names.

    Names stay where series would be the same without them.
    """
    kept = {
        series: {time: value for time, value in points.items() if not math.isnan(value)}
        for series, points in answer.items()
    }
    nameless = {_without_name(series): points for series, points in kept.items()}
    return {
        series: points
        for series, points in (nameless if len(nameless) == len(kept) else kept).items()
        if points
    }


def _without_name(series: str) -> str:
    return json.dumps({name: value for name, value in json.loads(series).items() if name != METRIC_NAME})


def difference(answer: Answer, other: Answer) -> str | None:
    """The first difference in one sentence; None when there is none."""
    if answer.keys() != other.keys():
        apart = sorted(answer.keys() ^ other.keys())
        return f"{len(answer)} and {len(other)} series; only one side has {apart[0]}"
    for series, points in answer.items():
        found = _difference(points, other[series])
        if found:
            return f"{series}: {found}"
    return None


def _difference(points: Points, other: Points) -> str | None:
    if points.keys() != other.keys():
        apart = sorted(points.keys() ^ other.keys())
        return f"{len(points)} and {len(other)} points; only one side has one at {apart[0]:.3f}"
    times = list(points)
    values, others = (np.array([side[time] for time in times]) for side in (points, other))
    close = np.isclose(values, others, rtol=RELATIVE_TOLERANCE, atol=RELATIVE_TOLERANCE, equal_nan=True)
    if close.all():
        return None
    first = int(np.argmin(close))
    return f"{values[first]} and {others[first]} at {times[first]:.3f} ({np.sum(~close)} points differ)"
