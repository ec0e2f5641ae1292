from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given

from tests.promql.expressions import SCRAPE_MS, SCRAPES, START_MS, expressions, samples
from tests.promql.stores import filled
from tocsin.errors import QueryError
from tocsin.model import Labels
from tocsin.promql import Engine
from tocsin.promql.ast import ValueType
from tocsin.promql.result import Result
from tocsin.web.query_api import result_data
from tocsin.web.responses import success

LABELS = [Labels({"__name__": "up", "job": job}) for job in ("a", "b", "c")]
TIMES_MS = np.array([1_700_000_000_000, 1_700_000_015_500])
VALUES = np.array([[1.0, 0.5], [np.nan, 2.0], [3.0, 4.0]])
TEXTS = [["1", "0.5"], ["NaN", "2"], ["3", "4"]]


def matrix_of(result: Result, limit: int | None = None) -> list[dict]:
    return json.loads(success(result_data(result, limit)).body)["data"]["result"]


@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize("has_own_times", [False, True])
@pytest.mark.parametrize(
    "present", [None, np.ones((3, 2), dtype=bool), np.array([[True, False], [False, True], [False, False]])]
)
def test_a_matrix_has_the_points_that_are_present(limit, has_own_times, present):
    times_ms = np.tile(TIMES_MS, (3, 1)) if has_own_times else TIMES_MS
    mask = np.ones((3, 2), dtype=bool) if present is None else present
    expected = [
        {
            "metric": dict(labels),
            "values": [
                [time_ms / 1000, text]
                for time_ms, text, is_present in zip(TIMES_MS.tolist(), texts, row, strict=True)
                if is_present
            ],
        }
        for labels, texts, row in zip(LABELS, TEXTS, mask, strict=True)
    ]
    assert matrix_of(Result(ValueType.MATRIX, LABELS, times_ms, VALUES, present), limit) == expected[:limit]


@given(query=expressions)
def test_every_answer_can_be_written(query: str) -> None:
    engine = Engine(filled("shared", samples()))
    try:
        result = engine.range(query, START_MS - 60_000, START_MS + SCRAPES * SCRAPE_MS, 172_000)
    except QueryError:
        return
    assert len(matrix_of(result)) <= len(result.labels)


def test_a_filter_that_nothing_passes_where_series_begin_together() -> None:
    engine = Engine(filled("shared", samples()))
    result = engine.range('{__name__=~".+"} > 1e300', START_MS - 600_000, START_MS + 60_000, 15_000)
    assert matrix_of(result) == []
