from __future__ import annotations

import math
import time

import numpy as np
import pytest

from benchmarks.promql.agree import difference, without_names_and_nan
from benchmarks.promql.data import made_history
from benchmarks.promql.measure import cases, compare, median_times_ms, write
from benchmarks.promql.servers import PROGRAMS, PROMETHEUS, TOCSIN, VICTORIA_METRICS, running_servers
from tests.support.peers import require_peer
from tocsin.receive import decode_write_request

SERIES = 200
SCRAPES = 40


@pytest.mark.peer
def test_the_three_agree(tmp_path):
    for program in PROGRAMS.values():
        require_peer(program)
    history = made_history(SERIES, SCRAPES, time.time_ns() // 1_000_000)
    asked = list(cases(history))
    with running_servers(tmp_path) as servers:
        write(history, servers)
        compared = {case.title: compare(case, servers) for case in asked}
        times_ms = median_times_ms(asked[0], servers, repetitions=1)
    assert {title: found.differences for title, found in compared.items() if found.differences} == {}
    assert [title for title, found in compared.items() if found.points == 0] == []
    assert times_ms.keys() == {TOCSIN, PROMETHEUS, VICTORIA_METRICS}


def test_requests_carry_the_history():
    history = made_history(SERIES, 3, 1_700_000_000_000)
    assert history.values.shape == (3, SERIES)
    assert len(set(history.series)) == SERIES
    for body, time_ms, row in zip(history.requests(), history.times_ms, history.values, strict=True):
        batch = decode_write_request(body).batch
        sent = {
            batch.series[index]: value for index, value in zip(batch.series_index, batch.values, strict=True)
        }
        assert sent == dict(zip(history.series, row, strict=True))
        assert np.unique(batch.timestamps_ms).tolist() == [time_ms]


def test_a_difference_is_found():
    answer = {"a": {1.0: 2.0, 2.0: math.nan}}
    assert difference(answer, {"a": {1.0: 2.0 * (1 + 1e-12), 2.0: math.nan}}) is None
    assert "2.0 and 2.1 at 1.000" in difference(answer, {"a": {1.0: 2.1, 2.0: math.nan}})
    assert "2 and 1 points" in difference(answer, {"a": {1.0: 2.0}})
    assert "only one side has b" in difference(answer, {**answer, "b": {1.0: 2.0}})


def test_names_stay_where_they_tell_series_apart():
    cpu, load = '{"__name__": "cpu", "job": "x"}', '{"__name__": "load", "job": "x"}'
    points = {1.0: 2.0, 2.0: math.nan}
    assert without_names_and_nan({cpu: points}) == {'{"job": "x"}': {1.0: 2.0}}
    assert without_names_and_nan({cpu: points, load: points}).keys() == {cpu, load}
