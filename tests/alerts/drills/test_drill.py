"""A drill as a value: what it writes, and how it is stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.alerts.drills import Drill, DrillRequest, Outcome, Result, Stage, StageKind
from tocsin.alerts.drills.drill import from_json, to_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
TIMES = st.one_of(st.none(), st.integers(0, 2**45))


def requests():
    return st.builds(
        DrillRequest,
        receivers=st.lists(TEXTS, max_size=3).map(tuple),
        severity=TEXTS,
        labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
        timeout_ms=st.integers(1, 2**40),
        wait_acknowledge_ms=st.integers(0, 2**40),
        by=TEXTS,
    )


def drills():
    stages = st.builds(Stage, st.sampled_from(StageKind), st.integers(0, 2**45), TEXTS, TEXTS, TEXTS, TEXTS)
    outcomes = st.builds(Outcome, TEXTS, TEXTS, TEXTS, st.booleans(), TIMES, TIMES, TEXTS, st.booleans())
    return st.builds(
        Drill,
        id=TEXTS,
        request=requests(),
        started_ms=st.integers(0, 2**45),
        stages=st.lists(stages, max_size=4),
        outcomes=st.lists(outcomes, max_size=3),
        reasons=st.lists(TEXTS, max_size=2),
        muted=st.lists(TEXTS, max_size=2),
        result=st.one_of(st.none(), st.sampled_from(Result)),
        decided_ms=TIMES,
        ended_ms=TIMES,
    )


@given(drill=drills())
def test_it_comes_back_from_the_store_as_it_was(drill):
    assert from_json(to_json(drill)) == drill


def test_it_writes_a_series_for_each_receiver_and_one_for_its_route():
    request = DrillRequest(("a", "b"), labels={"team": "ml"})
    assert [str(each) for each in request.series("3f9a")] == [
        f'tocsin_drill{{drill="3f9a",receiver="{name}",severity="info",team="ml"}}' for name in "ab"
    ]
    (series,) = DrillRequest(wait_acknowledge_ms=1).series("3f9a")
    assert str(series) == 'tocsin_drill{acknowledge="wanted",drill="3f9a",severity="info"}'


def test_how_long_it_may_take_does_not_make_it_another():
    assert DrillRequest(("a",), timeout_ms=1).is_like(DrillRequest(("a",), wait_acknowledge_ms=9))
    assert not DrillRequest(("a",)).is_like(DrillRequest(("b",)))
    assert not DrillRequest(("a",)).is_like(DrillRequest(("a",), by="schedule"))
