"""What the engine promises beside values: types, times, limits, annotations, names."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.promql.stores import SHAPES, ListStore, Shape, filled
from tocsin.errors import NotQuickError, QueryCancelledError, QueryError, QueryLimitError
from tocsin.model import Columns, Labels, SampleBatch
from tocsin.promql import Engine, QueryLimits, Result
from tocsin.promql.ast import ValueType
from tocsin.storage.head import Head


def series(name: str, **labels: str) -> Labels:
    return Labels({"__name__": name, **labels})


def store(**rows: list[float]) -> ListStore:
    """One series for each metric, a sample every 10 s."""
    points = {name: {place * 10_000: value for place, value in enumerate(row)} for name, row in rows.items()}
    return filled("ragged", {series(name): row for name, row in points.items()})


def values_of(result: Result) -> dict[str, list[float]]:
    return {str(labels): values.tolist() for labels, _, values in result.series()}


def test_the_four_types_of_answer() -> None:
    engine = Engine(store(x=[1, 2, 3]))
    assert engine.instant("1 + 1", 0).type is ValueType.SCALAR
    assert engine.instant("1 + 1", 0).scalar == 2
    assert engine.instant('"a"', 0).string == "a"
    vector = engine.instant("x", 20_000)
    assert (vector.type, vector.samples(), vector.timestamps_ms.tolist()) == (
        ValueType.VECTOR,
        [(series("x"), 3.0)],
        [20_000],
    )
    ranges = engine.instant("x[15s]", 20_000)
    assert ranges.type is ValueType.MATRIX
    assert [(times.tolist(), values.tolist()) for _, times, values in ranges.series()] == [
        ([10_000, 20_000], [2.0, 3.0])
    ]
    matrix = engine.range("x", 0, 25_000, 10_000)
    assert (matrix.type, matrix.timestamps_ms.tolist()) == (ValueType.MATRIX, [0, 10_000, 20_000])
    assert values_of(engine.range("2", 0, 20_000, 10_000)) == {"{}": [2.0, 2.0, 2.0]}


def test_series_of_a_range_query_are_sorted() -> None:
    engine = Engine(store(b=[2], a=[1], c=[3]))
    result = engine.range('{__name__=~".+"}', 0, 0, 1000)
    assert [labels.metric_name for labels in result.labels] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "bounds", "message"),
    [
        ('"a"', (0, 10, 1), 'invalid expression type "string" for range query'),
        ("x[5m]", (0, 10, 1), 'invalid expression type "range vector" for range query'),
        ("x", (0, 10, 0), "zero or negative query resolution step widths are not accepted"),
        ("x", (10, 0, 1), "end timestamp 0 must not be before start time 10"),
    ],
)
def test_what_a_range_query_refuses(query: str, bounds: tuple[int, int, int], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Engine(store()).range(query, *bounds)


def test_lookback_is_left_open_and_can_be_set() -> None:
    engine = Engine(store(x=[1]), lookback_ms=30_000)
    assert engine.instant("x", 29_999).samples()
    assert not engine.instant("x", 30_000).samples()
    assert engine.instant("x", 30_000, lookback_ms=30_001).samples()


def test_limits_on_samples_series_and_steps() -> None:
    data = store(x=[1] * 100, y=[1])
    with pytest.raises(QueryLimitError, match="too many samples"):
        Engine(data, limits=QueryLimits(max_samples=99)).instant("sum_over_time(x[1h])", 1_000_000)
    with pytest.raises(QueryLimitError, match="too many samples"):
        Engine(data, limits=QueryLimits(max_samples=500)).range("x", 0, 1_000_000, 1)
    with pytest.raises(QueryLimitError, match="too many samples"):
        Engine(data, limits=QueryLimits(max_samples=500)).instant("max_over_time(x[1h:1s])", 1_000_000)
    with pytest.raises(QueryLimitError, match="selects 2 series, allowed are 1"):
        Engine(data).instant('{__name__=~"x|y"}', 0, limits=QueryLimits(max_series=1))
    result = Engine(data).instant("sum_over_time(x[1h])", 1_000_000)
    assert (result.stats.samples, result.stats.series) == (100, 1)


def test_a_query_ends_when_its_time_is_up() -> None:
    with pytest.raises(QueryLimitError, match=r"timed out.*-1 s"):
        Engine(store(x=[1])).instant("x", 0, limits=QueryLimits(timeout_s=-1))


def test_a_cancelled_query_ends() -> None:
    class Cancelling(ListStore):
        def select(self, *arguments: object) -> list[Columns]:
            cancelled.set()
            return super().select(*arguments)

    cancelled = threading.Event()
    data = Cancelling()
    data.samples = store(x=[1, 2, 3]).samples
    with pytest.raises(QueryCancelledError, match="query was canceled"):
        Engine(data).range("rate(x[1m])", 0, 20_000, 10_000, cancelled=cancelled)


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        (
            "rate(x[1m])",
            "infos",
            'metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x"',
        ),
        ("quantile(2, x)", "warnings", "quantile value should be between 0 and 1, got 2"),
        ("quantile_over_time(NaN, x[1m])", "warnings", "quantile value should be between 0 and 1, got NaN"),
        (
            "histogram_quantile(0.5, x)",
            "warnings",
            'bucket label "le" is missing or has a malformed value of ""',
        ),
    ],
)
def test_annotations_stand_beside_the_result(query: str, kind: str, message: str) -> None:
    result = Engine(store(x=[1, 2, 3])).instant(query, 20_000)
    assert getattr(result, kind) == (f"PromQL {kind[:-1]}: {message}",)


def test_sorting_a_range_query_is_warned_of_once() -> None:
    result = Engine(store(x=[1, 2, 3])).range("sort(x) + sort(x)", 0, 20_000, 10_000)
    assert result.warnings == (
        "PromQL warning: sort is ineffective for range queries since results are always ordered by labels",
    )


def test_names_are_dropped_at_once_or_at_the_end() -> None:
    data = store(a_total=[1, 2, 3], b_total=[2, 4, 6])
    query = 'label_replace(increase({__name__=~".+_total"}[20s]), "was", "$1", "__name__", "(.)_total")'
    with pytest.raises(QueryError, match="same labelset"):
        Engine(data).instant(query, 20_000)
    delayed = Engine(data, enable_delayed_name_removal=True)
    assert values_of(delayed.instant(query, 20_000)) == {'{was="a"}': [2.0], '{was="b"}': [4.0]}
    kept = query.replace('"was", "$1"', '"__name__", "rate_$1"')
    assert values_of(delayed.instant(kept, 20_000)) == {"rate_a": [2.0], "rate_b": [4.0]}
    assert values_of(delayed.instant("sum by (__name__) (a_total)", 20_000)) == {"a_total": [3.0]}
    assert values_of(delayed.instant("sum by (__name__) (-a_total)", 20_000)) == {"{}": [-3.0]}


def test_series_that_become_alike_are_merged_where_they_do_not_overlap() -> None:
    data = filled("ragged", {series("a"): {0: 1.0}, series("b"): {600_000: 2.0}})
    result = Engine(data).range('-{__name__=~"a|b"}', 0, 600_000, 600_000)
    assert values_of(result) == {"{}": [-1.0, -2.0]}
    with pytest.raises(QueryError, match="same labelset"):
        Engine(store(a=[1], b=[2])).instant('-{__name__=~"a|b"}', 0)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("m * n", "found duplicate series for the match group {} on the right hand-side"),
        ("m * on () n", "found duplicate series for the match group {} on the right hand-side"),
        ("m * ignoring (row) one", "many-to-one matching must be explicit"),
        ("m * on () group_left (row) one", "grouping labels must ensure unique matches"),
        ("topk(NaN, m)", "Parameter value is NaN"),
        ("topk(1e30, m)", "overflows int64"),
        ('count_values("", m)', "invalid label name"),
        ('label_replace(m, "row", "", "row", ".*")', "same labelset"),
        ('label_replace(m, "a", "", "row", "(?=x)")', "invalid regular expression"),
        ('label_join(m, "\\xff", "", "row")', "invalid destination label name"),
        ("double_exponential_smoothing(m[1m], 2, 0.5)", "invalid smoothing factor"),
    ],
)
def test_errors_that_depend_on_the_data(query: str, message: str) -> None:
    rows = {series(name, row=str(row)): {0: 1.0, 10_000: 2.0} for name in "mn" for row in range(2)}
    rows[series("one", row="9")] = {0: 2.0}
    query = query.replace("m * n", "m * ignoring (row) n")
    engine = Engine(filled("ragged", rows), enable_experimental=True)
    with pytest.raises(QueryError) as error:
        engine.instant(query, 10_000)
    assert message in str(error.value)


def test_topk_takes_the_greatest_in_order_and_earlier_ones_of_equals() -> None:
    random = np.random.default_rng(5)
    numbers = np.where(np.arange(600) % 50 == 7, np.nan, random.integers(0, 100, 600).astype(float))
    rows = {series("m", row=f"{row:03}"): {0: float(value)} for row, value in enumerate(numbers)}
    for shape in SHAPES:
        engine = Engine(filled(shape, rows))
        got = engine.instant("topk(7, m)", 0).samples()
        order = sorted(range(600), key=lambda row: (np.isnan(numbers[row]), -numbers[row], row))[:7]
        assert [labels["row"] for labels, _ in got] == [f"{row:03}" for row in order]
        least = engine.range("bottomk(2, m)", 0, 0, 1)
        assert sorted(labels["row"] for labels in least.labels) == sorted(
            f"{row:03}"
            for row in sorted(range(600), key=lambda row: (np.isnan(numbers[row]), numbers[row], row))[:2]
        )
        assert len(engine.instant("topk(1000, m)", 0).labels) == 600


def test_the_number_taken_may_differ_by_step() -> None:
    rows = {series("m", row=str(row)): dict.fromkeys((0, 10000, 20000), row + 1.0) for row in range(3)}
    rows[series("k")] = {0: 0.0, 10_000: 1.0, 20_000: 2.0}
    result = Engine(filled("shared", rows)).range("topk(scalar(k), m)", 0, 20_000, 10_000)
    assert values_of(result) == {'m{row="1"}': [2.0], 'm{row="2"}': [3.0, 3.0]}


def test_limit_ratio_and_its_complement_share_the_series() -> None:
    rows = {series("m", row=str(row)): {0: 1.0} for row in range(100)}
    engine = Engine(filled("ragged", rows), enable_experimental=True)
    some = set(engine.instant("limit_ratio(0.3, m)", 0).labels)
    rest = set(engine.instant("limit_ratio(-0.7, m)", 0).labels)
    assert 10 < len(some) < 50
    assert some | rest == set(rows)
    assert not some & rest
    assert engine.instant("limit_ratio(2, m)", 0).warnings


def test_sums_keep_what_plain_addition_loses() -> None:
    rows = {series("m", row=str(row)): {0: 0.1} for row in range(10)}
    rows |= {series("big", row=str(row)): {0: value} for row, value in enumerate([1.0, 1e100, 1.0, -1e100])}
    rows |= {series("huge", row=str(row)): {0: 1.7e308} for row in range(3)}
    engine = Engine(filled("ragged", rows))
    assert engine.instant("sum(m)", 0).samples()[0][1] == 1.0
    assert engine.instant("sum(big)", 0).samples()[0][1] == 2.0
    assert engine.instant("avg(huge)", 0).samples()[0][1] == pytest.approx(1.7e308)
    assert engine.instant("sum(huge)", 0).samples()[0][1] == np.inf


def test_a_parameter_is_evaluated_at_every_step_also_over_a_fixed_time() -> None:
    """Prometheus takes the first step's parameter for all here, which nobody can have meant."""
    rows = {series("m", row=str(row)): {0: float(row)} for row in range(3)}
    rows[series("q")] = {0: 0.0, 10_000: 1.0}
    result = Engine(filled("ragged", rows)).range("quantile(scalar(q), m @ 0)", 0, 10_000, 10_000)
    assert values_of(result) == {"{}": [0.0, 2.0]}


def test_classic_histograms() -> None:
    bounds = {"0.1": 1.0, "0.2": 3.0, "+Inf": 4.0}
    rows = {series("h_bucket", le=bound): {0: count, 10_000: count} for bound, count in bounds.items()}
    rows[series("h_bucket", le="0.2")] = {0: 3.0}
    engine = Engine(filled("ragged", rows), lookback_ms=1000, enable_experimental=True)
    assert engine.instant("histogram_quantile(0.5, h_bucket)", 0).samples()[0][1] == pytest.approx(0.15)
    by_step = engine.range("histogram_quantile(0.5, h_bucket)", 0, 10_000, 10_000)
    assert by_step.values[0].tolist() == pytest.approx([0.15, 0.1])
    assert engine.instant("histogram_fraction(0, 0.15, h_bucket)", 0).samples()[0][1] == pytest.approx(0.5)
    both = engine.instant('histogram_quantiles(h_bucket, "q", 0.5, 1)', 0)
    assert {labels["q"]: value for labels, value in both.samples()} == pytest.approx(
        {"0.5": 0.15, "1.0": 0.2}
    )


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("(-Inf) ^ 0.5", np.inf),
        ("(-Inf) ^ 3", -np.inf),
        ("(-Inf) ^ -2", 0.0),
        ("(-8) ^ 0.5", np.nan),
        ("-7 % 3", -1.0),
        ("1 % 0", np.nan),
        ("scalar(clamp(vector(1), Inf, NaN))", np.inf),
        ("scalar(clamp_max(vector(1), NaN))", np.nan),
        ("scalar(round(vector(-2.5)))", -2.0),
        ("scalar(sgn(vector(NaN)))", np.nan),
    ],
)
def test_numbers_are_those_of_go(query: str, value: float) -> None:
    assert Engine(store()).instant(query, 0).scalar == pytest.approx(value, nan_ok=True)


def test_fills_stand_in_for_missing_series() -> None:
    rows = {series("a", k="1"): {0: 1.0}, series("a", k="2"): {0: 2.0}, series("b", k="2"): {0: 10.0}}
    rows[series("b", k="3")] = {0: 30.0}
    engine = Engine(filled("ragged", rows), enable_experimental=True)
    assert values_of(engine.instant("a + fill(0) b", 0)) == {
        '{k="1"}': [1.0],
        '{k="2"}': [12.0],
        '{k="3"}': [30.0],
    }


def test_shared_and_ragged_blocks_of_a_store_answer_alike_from_threads() -> None:
    head = Head()
    rows = [
        (series("x", row=str(row)), place * 10_000, float(place * row))
        for row in range(50)
        for place in range(30)
    ]
    head.append_batch(SampleBatch.from_samples(rows))
    engine = Engine(head)
    answers: list[Result] = []
    threads = [
        threading.Thread(target=lambda: answers.append(engine.range("sum(rate(x[1m]))", 0, 290_000, 7000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    (first, *others) = [
        [(labels, values.tolist()) for labels, _, values in each.series()] for each in answers
    ]
    assert all(other == first for other in others)


@pytest.mark.parametrize("shape", ["ragged", "shared", "single"])
@pytest.mark.parametrize("op", ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
def test_aggregations_pass_over_series_without_a_result(op: str, shape: Shape) -> None:
    """One sample has no rate; 1e300 - 1e300 makes the sum take the careful way."""
    rows = {
        series("x", row="lone"): {300_000: 1.0},
        series("x", row="up"): {0: 0.0, 60_000: 1e300, 120_000: 2e300},
        series("x", row="down"): {0: 2e300, 60_000: 1e300, 120_000: 0.0, 180_000: 5.0},
    }
    store = filled(shape, rows)
    span = (60_000, 300_000, 60_000)
    (streamed,) = Engine(store).range(f"{op}(delta(x[2m]))", *span).series()
    for labels, times, values in Engine(store).range("delta(x[2m])", *span).series():
        store.samples[labels.merge({"__name__": "d"})] = dict(
            zip(times.tolist(), values.tolist(), strict=True)
        )
    (collected,) = Engine(store).range(f"{op}(d + 0)", *span, lookback_ms=1).series()
    assert streamed[1].tolist() == collected[1].tolist()
    np.testing.assert_allclose(streamed[2], collected[2])


def test_a_quick_query_does_not_wait_for_what_is_not_in_memory() -> None:
    data = store(x=[1, 2, 3])
    data.memory_start_ms = 10_000
    engine = Engine(data, lookback_ms=5000)
    assert engine.instant("x", 20_000, quickly=True).samples()[0][1] == 3.0
    with pytest.raises(NotQuickError, match="not in memory"):
        engine.instant("x offset 10s", 20_000, quickly=True)
    assert engine.instant("x offset 10s", 20_000).samples()[0][1] == 2.0


def test_a_quick_query_gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.promql.limits.QUICK_S", 0.0)
    with pytest.raises(NotQuickError, match="takes longer"):
        Engine(store(x=[1])).instant("x", 0, quickly=True)
