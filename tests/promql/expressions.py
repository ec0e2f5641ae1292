"""Random PromQL over the series of :func:`samples`, well typed, as text.

Times are chosen so that no sample, evaluation or step of a subquery can lie on the edge of a
window, where Prometheus 2 and 3 differ: samples lie at 1 ms above a multiple of 4 ms, evaluations at
3 ms, steps of subqueries at 0 ms, and all durations are multiples of 4 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from tocsin.model import STALE_NAN, Labels

START_MS = 1_700_000_000_000 // 60_000 * 60_000 + 1
SCRAPE_MS = 15_000
SCRAPES = 160


def samples(seed: int = 3) -> dict[Labels, dict[int, float]]:
    """Counters with resets, gauges with gaps, NaN, infinities and ends, histograms, and plain numbers."""
    random = np.random.default_rng(seed)
    found: dict[Labels, dict[int, float]] = {}
    for row in range(6):
        # A counter that starts high is never extrapolated to zero, where Prometheus 2 and 3 differ.
        steps = random.exponential(20, SCRAPES)
        values = 1e5 + np.cumsum(steps)
        for reset in random.choice(SCRAPES, 2, replace=False):
            values[reset:] -= 3e4
        labels = Labels({"__name__": "c_total", "job": "ab"[row % 2], "instance": str(row // 2)})
        found[labels] = _with_gaps(random, values, gaps=row % 3)
    for row in range(8):
        values = np.round(random.normal(10 * (row - 3), 5, SCRAPES), 3)
        if row >= 5:
            for odd in (math.nan, math.inf, -math.inf, STALE_NAN):
                values[random.choice(SCRAPES, 3)] = odd
        elif row >= 3:
            values[random.choice(SCRAPES, 4)] = STALE_NAN
        name = "wild" if row >= 5 else "g"
        labels = Labels({"__name__": name, "job": "ab"[row % 2], "instance": str(row // 2), "zone": "z"})
        found[labels] = _with_gaps(random, values, gaps=row % 4)
    for job in "ab":
        total = np.zeros(SCRAPES)
        for bound in ("0.1", "0.5", "1", "5", "+Inf"):
            total = total + np.cumsum(random.integers(0, 5, SCRAPES))
            found[Labels({"__name__": "h_bucket", "job": job, "le": bound})] = _with_gaps(random, total + 1e6)
    for row in range(4):
        labels = Labels({"__name__": "n", "job": "ab"[row % 2], "instance": str(row // 2)})
        found[labels] = _with_gaps(random, random.integers(0, 4, SCRAPES).astype(float))
    found[Labels({"__name__": "lone", "job": "a"})] = _with_gaps(random, np.arange(SCRAPES) * 1.5)
    return found


def _with_gaps(random: np.random.Generator, values: np.ndarray, gaps: int = 0) -> dict[int, float]:
    keep = np.ones(len(values), dtype=bool)
    for _ in range(gaps):
        start = int(random.integers(0, len(values)))
        keep[start : start + int(random.integers(1, 40))] = False
    jitter = 4 * random.integers(-500, 500, len(values)) if gaps == 2 else np.zeros(len(values), dtype=int)
    times = START_MS + SCRAPE_MS * np.arange(len(values)) + jitter
    return dict(zip(times[keep].tolist(), values[keep].tolist(), strict=True))


def _maybe(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["", "", *texts])


_MATCHERS = _maybe(
    '{job="a"}', '{instance=~"0|1"}', '{job!="a"}', '{instance!~"1"}', '{nope=""}', '{job="none"}'
)
_AT_S = (START_MS + 2 + 20 * 60_000) / 1000
_OFFSETS = _maybe(" offset 1m", " offset -2m")
_MODIFIERS = _maybe(
    " offset 1m", " offset -2m", f" @ {_AT_S:.3f}", " @ end()", f" @ {_AT_S:.3f} offset 30s", " @ start()"
)
_RANGES = st.sampled_from(["1m", "2m", "5m", "90s", "10m"])
_COUNTERS, _GAUGES = st.just("c_total"), st.sampled_from(["g", "g", "n", "lone", "wild"])
_FINITE = st.sampled_from(["g", "n", "lone", "c_total"])
_ROUGH = st.sampled_from(["g", "c_total"])
"""What functions that are inexact in the last bits are given: their results equal no round number."""
_NUMBERS = st.sampled_from(["2", "0.5", "-1", "10", "0", "time() / 1e9", "scalar(lone)", "NaN", "Inf", "1e3"])


def _join(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map("".join)


_INSTANT_SELECTOR = _join(st.one_of(_GAUGES, _COUNTERS), _MATCHERS, _MODIFIERS)


def _ranged(
    names: st.SearchStrategy[str], modifiers: st.SearchStrategy[str] = _MODIFIERS
) -> st.SearchStrategy[str]:
    selector = _join(names, _MATCHERS, "[", _RANGES, "]", modifiers)
    subquery = _join(
        names, _MATCHERS, "[", _RANGES, ":", st.sampled_from(["", "20s", "1m", "28s"]), "]", modifiers
    )
    return st.one_of(selector, selector, subquery)


_RANGE_CALLS = st.one_of(
    _join(st.sampled_from(["rate", "increase", "irate", "resets"]), "(", _ranged(_COUNTERS), ")"),
    _join(
        st.sampled_from(
            [
                "delta",
                "idelta",
                "changes",
                "sum_over_time",
                "avg_over_time",
                "min_over_time",
                "max_over_time",
                "count_over_time",
                "last_over_time",
                "present_over_time",
                "absent_over_time",
            ]
        ),
        "(",
        _ranged(_GAUGES),
        ")",
    ),
    _join(st.sampled_from(["stddev_over_time", "stdvar_over_time", "deriv"]), "(", _ranged(_ROUGH), ")"),
    # Prometheus 2.42 loses all but the first step of predict_linear over a range fixed by "@".
    _join(
        "predict_linear(",
        _ranged(_ROUGH, _OFFSETS),
        ", ",
        st.sampled_from(["600", "-60", "scalar(lone)"]),
        ")",
    ),
    _join(
        "quantile_over_time(",
        st.sampled_from(["0.5", "0.9", "0", "1", "-1", "2"]),
        ", ",
        _ranged(_GAUGES),
        ")",
    ),
)

_BY = _maybe(
    " by (job)", " without (instance)", " by (job, instance)", " by (nope)", " without (job, zone)", " by ()"
)
_ON = _maybe(" on (job, instance)", " ignoring (zone)", " on (job)", " ignoring (instance, zone)", " on ()")
_UNARY = st.sampled_from(
    [
        "abs",
        "ceil",
        "floor",
        "exp",
        "sqrt",
        "ln",
        "log2",
        "log10",
        "sgn",
        "sin",
        "cos",
        "atan",
        "tanh",
        "deg",
        "round",
        "timestamp",
        "absent",
        "sort",
        "-",
    ]
)
_DATES = st.sampled_from(
    ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "month", "year", "days_in_month"]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One more operation around what there is."""
    return st.one_of(*_aggregations(inner), *_operations(inner), *_calls(inner))


def _aggregations(inner: st.SearchStrategy[str]) -> Iterator[st.SearchStrategy[str]]:
    yield _join(st.sampled_from(["sum", "avg", "min", "max", "count", "group"]), _BY, " (", inner, ")")
    yield _join(st.sampled_from(["stddev", "stdvar"]), _BY, " (", _ROUGH, _MATCHERS, ")")
    few = st.sampled_from(["1", "2", "5"])
    yield _join(st.sampled_from(["topk", "bottomk"]), _BY, "(", few, ", ", _distinct_vector(), ")")
    yield _join("quantile", _BY, "(", st.sampled_from(["0.5", "0.9", "-1", "1"]), ", ", inner, ")")
    yield _join('count_values("value", ', st.sampled_from(["n", "sum by (job) (n)", "n > 1"]), ")")


def _operations(inner: st.SearchStrategy[str]) -> Iterator[st.SearchStrategy[str]]:
    arithmetic = st.sampled_from([" + ", " - ", " * ", " / ", " ^ "])
    comparison = st.sampled_from([" == ", " != ", " > ", " < ", " >= ", " <= "])
    told = comparison.map(lambda op: f"{op}bool ")
    either = st.one_of(arithmetic, comparison, told)
    # Prometheus 2.42 does not see an ambiguous match of which a comparison filters all but one away.
    matched = st.one_of(arithmetic, told).map(str.rstrip)
    yield _join("(", inner, either, _NUMBERS, ")")
    yield _join("(", _NUMBERS, either, inner, ")")
    yield _join("(", inner, matched, _ON, " ", inner, ")")
    yield _join("(", inner, comparison, inner, ")")
    on = st.sampled_from([" on (job, instance)", " on (job)"])
    side = st.sampled_from([" group_left ", " group_right ", " group_left (zone) "])
    yield _join("(", inner, matched, on, side, inner, ")")
    yield _join("(", inner, st.sampled_from([" and", " or", " unless"]), _ON, " ", inner, ")")
    yield _join("(", _finite_vector(), " % ", _NUMBERS, ")")
    # Prometheus 2.42 keeps the metric name with atan2; abs drops it on either side.
    yield _join("abs(", inner, " atan2", _ON, " ", inner, ")")
    yield _join("abs(", inner, " atan2 ", _NUMBERS, ")")


def _calls(inner: st.SearchStrategy[str]) -> Iterator[st.SearchStrategy[str]]:
    yield _join(_UNARY, "(", inner, ")")
    # What the date of an infinite time is depends on the processor that Prometheus runs on.
    scale = st.sampled_from([" * 1e4", " * -1e6", " + 1.7e9", ""])
    yield _join(_DATES, "(", _finite_vector(), scale, ")")
    # These magnify the last bits of what they are given, in which sums may differ.
    yield _join(st.sampled_from(["sin", "cos"]), "(", _finite_vector(), ")")
    yield _join("clamp(", inner, ", ", _NUMBERS, ", ", _NUMBERS, ")")
    bounded = st.sampled_from(["clamp_min", "clamp_max", "round"])
    yield _join(bounded, "(", inner, ", ", st.sampled_from(["2", "0.5", "10"]), ")")
    yield _join("label_replace(", inner, ', "job", "x$1", "job", "(.*)")')
    yield _join("label_join(", inner, ', "both", "-", "job", "instance")')
    yield _join("vector(scalar(", inner, "))")
    # The step of the outer subquery keeps evaluations off the steps of those within.
    yield _join("max_over_time((", inner, ")[3m:1m2ms])")
    buckets = st.sampled_from(["h_bucket", "rate(h_bucket[5m])", "sum by (le) (rate(h_bucket[2m]))"])
    yield _join("histogram_quantile(", st.sampled_from(["0.5", "0.99", "0", "1.5"]), ", ", buckets, ")")


def _finite_vector() -> st.SearchStrategy[str]:
    return _join(_FINITE, _MATCHERS, _MODIFIERS)


def _distinct_vector() -> st.SearchStrategy[str]:
    """Values among which no two are equal, so that there is just one order."""
    return st.one_of(_join(st.sampled_from(["g", "c_total"]), _MATCHERS), st.just("rate(c_total[5m])"))


expressions = st.recursive(st.one_of(_INSTANT_SELECTOR, _RANGE_CALLS), _grown, max_leaves=4)
