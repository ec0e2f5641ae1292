from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tocsin.sdk.columns import Columns
from tocsin.sdk.thinning import BUCKET_MS, WHOLE_STEPS_PER_SECOND, Thinner, thin

MS = 1_000_000
START_NS = 1_700_000_000_000 * MS

floats = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 3))
step_values = st.dictionaries(st.sampled_from(["loss", "lr", "accuracy"]), floats)


ANY_GAP_NS = st.sampled_from([0, 1000, 300_000, 2 * MS, 15 * MS, 60 * MS, 1200 * MS])


@st.composite
def courses(draw, gaps_ns=ANY_GAP_NS):
    """Steps with rising times."""
    time_ns, steps = START_NS, []
    for number, values in enumerate(draw(st.lists(step_values, max_size=60))):
        time_ns += draw(gaps_ns)
        steps.append((time_ns, number, values))
    return steps


def same(value: float) -> object:
    return "NaN" if math.isnan(value) else float(value)


def obvious(steps):
    """What must stay, value by value and without any haste."""
    kept = defaultdict(dict)
    for name in {name for _, _, values in steps for name in values}:
        course = [(index, values[name]) for index, (_, _, values) in enumerate(steps) if name in values]
        numbers = [(value, index) for index, value in course if not math.isnan(value)]
        wanted = {course[-1][0]}
        if numbers:
            wanted.add(min(numbers)[1])
            wanted.add(max(numbers, key=lambda pair: (pair[0], -pair[1]))[1])
        wanted |= set([index for index, value in course if math.isnan(value)][:1])
        for index in wanted:
            kept[index][name] = dict(course)[index]
    if steps:
        kept[len(steps) - 1].update({})
    return [
        (steps[index][0], steps[index][1], {name: same(value) for name, value in kept[index].items()})
        for index in sorted(kept)
    ]


def comparable(steps):
    return [
        (when, number, {name: same(value) for name, value in values.items()})
        for when, number, values in steps
    ]


@given(courses())
def test_thinning_keeps_exactly_the_extremes_and_the_last(steps):
    assert comparable(thin(Columns(steps))) == obvious(steps)


@given(courses(), st.integers(0, 60))
def test_thinning_in_parts_is_thinning_at_once(steps, cut):
    assert comparable(thin(Columns(thin(Columns(steps[:cut])) + steps[cut:]))) == comparable(
        thin(Columns(steps))
    )


def rows_of(steps, cuts=()):
    thinner, rows = Thinner(), []
    places = [0, *sorted(min(cut, len(steps)) for cut in cuts), len(steps)]
    for begin, end in pairwise(places):
        rows += thinner.add(Columns(steps[begin:end]))
    return rows + thinner.close()


@given(courses(), st.lists(st.integers(0, 60), max_size=4))
def test_rows_have_rising_times_and_only_values_that_were_taken(steps, cuts):
    rows = rows_of(steps, cuts)
    times = [when for when, _, _ in rows]
    assert times == sorted(set(times))
    taken = {(number, name): same(value) for _, number, values in steps for name, value in values.items()}
    for _, number, values in rows:
        assert all(taken[number, name] == same(value) for name, value in values.items())


@given(courses(), st.lists(st.integers(0, 60), max_size=4))
def test_no_extreme_of_the_whole_course_is_lost(steps, cuts):
    rows = rows_of(steps, cuts)
    for name in ("loss", "lr", "accuracy"):
        taken = [same(values[name]) for _, _, values in steps if name in values]
        sent = [same(values[name]) for _, _, values in rows if name in values]
        assert ("NaN" in taken) == ("NaN" in sent)
        taken, sent = ([value for value in course if value != "NaN"] for course in (taken, sent))
        assert max(taken, default=None) == max(sent, default=None)
        assert min(taken, default=None) == min(sent, default=None)


@given(
    courses(gaps_ns=st.integers(1000 * MS // WHOLE_STEPS_PER_SECOND, 400 * MS)), st.lists(st.integers(0, 60))
)
def test_up_to_twenty_steps_a_second_all_are_sent(steps, cuts):
    assert [number for _, number, _ in rows_of(steps, cuts)] == [number for _, number, _ in steps]
    assert [when for when, _, _ in rows_of(steps, cuts)] == [time_ns // MS for time_ns, _, _ in steps]


def test_a_burst_of_twenty_steps_is_sent_whole():
    steps = [(START_NS + number, number, {"loss": 0.5}) for number in range(20)]
    rows = rows_of(steps)
    assert [number for _, number, _ in rows] == list(range(20))
    assert [when - START_NS // MS for when, _, _ in rows] == list(range(20))


def test_a_hundred_thousand_steps_a_second_become_a_bounded_number_of_rows():
    steps = [(START_NS + 10_000 * n, n, {"loss": math.sin(n), "lr": 0.1}) for n in range(100_000)]
    rows = rows_of(steps, cuts=range(0, 100_000, 997))
    assert len(rows) <= 4 * 1000 / BUCKET_MS + WHOLE_STEPS_PER_SECOND
    assert rows[-1][1:] == (99_999, {"loss": math.sin(99_999), "lr": 0.1})


def test_a_spike_of_one_step_among_thousands_keeps_its_time():
    steps = [(START_NS + 10_000 * n, n, {"loss": 0.5}) for n in range(10_000)]
    steps[4321] = (steps[4321][0], 4321, {"loss": 99.0})
    assert (START_NS // MS + 43, 4321, {"loss": 99.0}) in rows_of(steps)


def test_a_bucket_with_more_values_than_milliseconds_lasts_longer_and_timestamps_do_not_run_away():
    names = [f"value_{n}" for n in range(100)]
    steps = [
        (START_NS + 100_000 * n, n, {k: math.sin(n * (i + 1)) for i, k in enumerate(names)})
        for n in range(20_000)
    ]
    rows = rows_of(steps, cuts=range(0, 20_000, 500))
    assert rows[-1][0] - steps[-1][0] // MS < 500


def test_a_clock_set_back_by_an_hour_goes_on_from_there():
    steps = [(START_NS + 100 * MS * n, n, {}) for n in range(5)]
    steps += [(time_ns - 3_600_000 * MS, number + 5, {}) for time_ns, number, _ in steps]
    assert [when for when, _, _ in rows_of(steps)] == [time_ns // MS for time_ns, _, _ in steps]


def test_integers_beyond_all_floats_do_not_disturb_the_others():
    steps = [(START_NS + n, n, {"big": 10**400, "loss": float(n)}) for n in range(100)]
    assert [values["loss"] for _, _, values in rows_of(steps) if "loss" in values] == [0.0, 99.0]
