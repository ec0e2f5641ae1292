from __future__ import annotations

import json

import numpy as np
import pytest

from tocsin.model import Labels
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
