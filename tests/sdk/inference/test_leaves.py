"""The parts that only count, beside slow and obvious ones."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.tensors import Tensor
from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.batch import MOST_ERRORS, Batch, Digester
from tocsin.sdk.inference.beginnings import Beginnings
from tocsin.sdk.inference.bounded import Bounded
from tocsin.sdk.inference.histogram import Histogram
from tocsin.sdk.inference.numbers import numbers
from tocsin.sdk.inference.outcomes import error_of, is_failure, status_of
from tocsin.sdk.inference.sketch import Sketch, quantiles, take
from tocsin.sdk.inference.window import SLICE_S, SLICES, Window
from tocsin.sdk.readings import Reading

seconds = st.floats(0, 1e6)
lists = st.lists(st.lists(seconds, max_size=30), max_size=5)


@given(lists, st.lists(st.floats(0.001, 100), min_size=1, max_size=6, unique=True).map(sorted))
def test_a_histogram_counts_what_is_not_above_its_limits(batches, limits):
    histogram = Histogram(limits)
    for batch in batches:
        histogram.take(sorted(batch))
    everything = [value for batch in batches for value in batch]
    readings = {(name, own): value for name, value, own in histogram.readings("h")}
    if not everything:
        assert readings == {}
        return
    for limit in limits:
        up_to = sum(value <= limit for value in everything)
        assert readings["h_bucket", (("le", repr(limit)),)] == up_to
    assert readings["h_bucket", (("le", "+Inf"),)] == readings["h_count", ()] == len(everything)
    assert readings["h_sum", ()] == pytest.approx(sum(everything))


@given(lists, st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_one_percent_of_the_value_of_its_rank(batches, wanted):
    sketch = Sketch()
    for batch in batches:
        take(sketch, sorted(batch))
    everything = sorted(max(value, 1e-9) for batch in batches for value in batch)
    if not everything:
        assert quantiles(sketch, [wanted]) == []
        return
    (found,) = quantiles(sketch, [wanted])
    assert found == pytest.approx(everything[math.ceil(wanted * len(everything)) - 1], rel=0.0101)


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0.001, 10)), min_size=1, max_size=60))
def test_a_window_forgets_what_is_older_than_a_minute(events):
    events.sort()
    window = Window(0.0)
    for at_s, latency_s in events:
        window.take(Batch(latencies=[latency_s], outcomes=Counter({("success", None): 1})), at_s)
    now_s = events[-1][0]
    kept = [latency for at_s, latency in events if at_s // SLICE_S > now_s // SLICE_S - SLICES]
    span_s = max(1.0, now_s - max(0.0, (now_s // SLICE_S - SLICES + 1) * SLICE_S))
    assert window.rates(now_s)["requests_per_second"] == pytest.approx(len(kept) / span_s)
    assert window.mean_s(now_s) == pytest.approx(sum(kept) / len(kept))
    assert window.rates(now_s + 60)["requests_per_second"] == 0
    assert window.shares(now_s + 60) == {}
    assert window.mean_s(now_s + 60) is None


def test_shares_leave_out_what_was_given_up():
    window = Window(0.0)
    outcomes = Counter({("success", None): 6, ("abort", None): 90, ("5xx", "http_500"): 2})
    window.take(Batch(latencies=[0.1] * 98, outcomes=outcomes), 1.0)
    assert window.shares(1.0) == {"availability_ratio": 0.75, "error_ratio": 0.25}


ODD = [
    np.float32(0.5),
    np.int64(2),
    Tensor(0.25),
    True,
    np.array([3.0]),
    10**400,
    -1,
    math.nan,
    math.inf,
    "1",
    [1],
]


def test_numbers_of_every_kind_are_read_and_all_others_left_out(caplog):
    found = numbers([0.5, None, *ODD], "latency", Guard("test"))
    assert found[:2] == [0.5, None]
    assert found[2:7] == [0.5, 2.0, 0.25, 1.0, 3.0]
    assert found[7:] == [None] * 6
    assert len(caplog.records) == 1


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, 10**400])
def test_plain_numbers_that_are_none_are_left_out(bad, caplog):
    assert numbers([1.0, bad, 2, None], "latency", Guard("test")) == [1.0, None, 2.0, None]
    assert len(caplog.records) == 1


texts = st.sampled_from(["a", "b", "c", None])
statuses = st.sampled_from(["success", "error", "abort", "5xx", "4xx", None])
maybe = st.one_of(st.none(), st.floats(0, 100))
counts = st.one_of(st.none(), st.integers(0, 50))


@given(
    st.lists(
        st.tuples(
            st.none(),
            st.floats(0, 100),
            statuses,
            texts,
            maybe,
            counts,
            counts,
            maybe,
            counts,
            st.sampled_from([None, True, False]),
        ),
        min_size=1,
    )
)
def test_a_batch_is_what_its_records_say_one_by_one(records):
    batch = Digester(Guard("test")).digest(records)
    outcomes = Counter()
    per_tokens = []
    for _, latency, status, error, first, tokens, *_ in records:
        ends = status or ("success" if error is None else "error")
        outcomes[ends, (error or "unknown") if is_failure(ends) else None] += 1
        if first is not None and tokens is not None and tokens > 1:
            per_tokens.append(max(0, latency - first) / (tokens - 1))
    assert batch.outcomes == outcomes
    assert batch.latencies == sorted(record[1] for record in records)
    assert batch.per_tokens == sorted(per_tokens)
    assert batch.first_tokens == sorted(record[4] for record in records if record[4] is not None)
    assert list(batch.tokens) == [record[5] for record in records if record[5] is not None]
    assert list(batch.input_tokens) == [record[6] for record in records if record[6] is not None]
    assert batch.waits == sorted(record[7] for record in records if record[7] is not None)
    assert batch.sizes == sorted(record[8] for record in records if record[8] is not None)
    assert batch.cache_hits == sum(record[9] is True for record in records)
    assert batch.cache_queries == sum(record[9] is not None for record in records)


def test_kinds_of_errors_are_bounded(caplog):
    records = [(None, 0.1, None, f"error {n}", *[None] * 6) for n in range(MOST_ERRORS + 5)]
    outcomes = Digester(Guard("test")).digest(records).outcomes
    assert len(outcomes) == MOST_ERRORS + 1
    assert outcomes["error", "other"] == 5
    assert len(caplog.records) == 1


def test_an_outcome_that_cannot_be_read_is_an_unknown_error(caplog):
    class Mute:
        def __str__(self):
            raise RuntimeError("no")

    records = [(None, 0.1, None, error, *[None] * 6) for error in (Mute(), ValueError("x"), KeyError)]
    outcomes = Digester(Guard("test")).digest(records).outcomes
    assert outcomes == {("error", "unknown"): 1, ("error", "ValueError"): 1, ("error", "KeyError"): 1}
    assert len(caplog.records) == 1


def test_long_values_of_labels_are_cut():
    assert Bounded(1, Guard("test"), "things")["x" * 500] == "x" * 120


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (ValueError("x"), "error", "ValueError"),
        (TimeoutError(), "error", "timeout"),
        (type("ReadTimeout", (Exception,), {})(), "error", "timeout"),
        (KeyboardInterrupt(), "abort", "KeyboardInterrupt"),
        (GeneratorExit(), "abort", "GeneratorExit"),
        (type("Cancelled", (BaseException,), {})(), "abort", "Cancelled"),
    ],
    ids=lambda value: getattr(type(value), "__name__", ""),
)
def test_exceptions_have_a_status_and_a_kind(fault, status, error):
    assert (status_of(fault), error_of(fault)) == (status, error)


@pytest.mark.parametrize(
    ("status", "fails"),
    [("success", False), ("abort", False), ("error", True), ("503", True), ("5xx", True), ("4xx", False)],
)
def test_what_counts_as_failed_is_what_the_shipped_rule_counts(status, fails):
    assert is_failure(status) == fails


def test_counters_begin_with_zero_and_gauges_do_not():
    beginnings = Beginnings()
    readings = [Reading("a_total", 3.0), Reading("b", 3.0), Reading("c_bucket", 3.0, (("le", "1.0"),))]
    assert [each.value for each in beginnings.of(readings)] == [0.0, 3.0, 0.0]
    assert list(beginnings.of(readings)) == readings
