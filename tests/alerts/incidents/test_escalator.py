from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.alerts.incidents.scene import Scene
from tocsin.config.escalation import EscalationConfig, OnCallConfig, check_escalations

LEVELS = [{"after": "10s", "to": ["anna"]}, {"after": "20s", "to": ["boss"]}]


def scene(**escalation):
    return Scene(people="team anna boss", escalations=[{"name": "all", "levels": LEVELS, **escalation}])


async def test_nobody_acts_and_the_levels_are_told_in_turn():
    it = scene()
    await it.fire()
    await it.wait(60)
    assert (it.people["anna"].told, it.people["boss"].told) == ([10], [20])
    assert it.kinds().count("escalated") == 2


async def test_who_acknowledges_ends_it_and_it_comes_back_when_it_is_not_resolved():
    it = scene(acknowledged_for="30s")
    await it.fire()
    await it.wait(15)
    it.book.acknowledge(1, "anna", it.clock.now_ms())
    await it.wait(29)
    assert (it.people["anna"].told, it.people["boss"].told) == ([10], [])
    await it.wait(12)
    assert it.people["anna"].told == [10, 55]


async def test_levels_are_repeated_until_somebody_acts():
    it = scene(repeat="30s")
    await it.fire()
    await it.wait(90)
    assert (it.people["anna"].told, it.people["boss"].told) == ([10, 51], [20, 60])


async def test_a_manual_one_waits_for_a_person():
    it = scene(mode="manual")
    await it.fire()
    await it.wait(60)
    assert it.people["anna"].told == []
    it.book.escalate(1, "ben", it.clock.now_ms())
    await it.wait(12)
    assert (it.people["anna"].told, it.people["boss"].told) == ([61], [70])


async def test_a_level_that_reaches_nobody_is_tried_again():
    it = scene()
    it.people["anna"].is_away = True
    await it.fire()
    await it.wait(15)
    it.people["anna"].is_away = False
    await it.wait(60)
    assert len(it.people["anna"].told) == 1
    assert len(it.people["boss"].told) == 1
    assert "not notified" in it.kinds()


async def test_a_level_that_reaches_nobody_keeps_nobody_else_from_being_told():
    it = scene(repeat="30s")
    it.people["anna"].is_away = True
    await it.fire()
    await it.wait(25)
    assert it.people["boss"].told == [21]
    it.people["boss"].is_away = True
    it.people["anna"].is_away = False
    await it.wait(40)
    assert it.people["anna"].told == [51], "the levels begin again"


async def test_one_who_is_slow_delays_no_other_of_a_level():
    it = Scene(
        people="team anna boss",
        escalations=[{"name": "all", "levels": [{"after": "10s", "to": ["anna", "boss"]}]}],
    )
    it.people["anna"].delay_s = 40
    await it.fire()
    await it.wait(12)
    assert it.people["boss"].told == [10]


async def test_a_restart_repeats_no_level(tmp_path):
    it = Scene(people="team anna boss", folder=tmp_path, escalations=[{"name": "all", "levels": LEVELS}])
    await it.fire()
    await it.wait(12)
    await it.stop()
    it.start()
    await it.wait(20)
    assert (it.people["anna"].told, len(it.people["boss"].told)) == ([10], 1)
    await it.stop()


async def test_only_matching_incidents_escalate_and_not_what_is_resolved():
    it = scene(matchers=['severity="critical"'])
    await it.fire("A")
    await it.fire("B", severity="critical")
    await it.resolve("B", severity="critical")
    await it.wait(60)
    assert it.people["anna"].told == []


async def test_who_is_on_call_is_told():
    rota = OnCallConfig(name="rota", receivers=["anna", "boss"], start="2026-01-05T08:00", shift="1h")
    it = Scene(
        people="team anna boss",
        escalations=[{"name": "all", "levels": [{"after": "10s", "to": ["rota"]}]}],
        rotations=[rota],
    )
    await it.clock.advance(3600)
    await it.fire()
    await it.wait(12)
    assert (it.people["anna"].told, it.people["boss"].told) == ([], [3610])


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-01-01T00:00", "a"),
        ("2026-01-05T07:59", "a"),
        ("2026-01-05T08:00", "a"),
        ("2026-01-12T07:59", "a"),
        ("2026-01-12T08:00", "b"),
        ("2026-01-20T12:00", "c"),
        # Summer time begins on 2026-03-29; the shift still changes at nine o'clock there.
        ("2026-03-30T06:59", "c"),
        ("2026-03-30T07:00", "a"),
        ("2026-01-13T12:00", "d"),
    ],
)
def test_shifts_change_at_the_same_time_of_day_all_year_round(at, who):
    rota = OnCallConfig(
        name="rota",
        receivers=["a", "b", "c"],
        start="2026-01-05T09:00",
        location="Europe/Berlin",
        overrides=[{"receiver": "d", "from": "2026-01-13T09:00", "to": "2026-01-14T09:00"}],
    )
    assert rota.receiver(datetime.fromisoformat(at).replace(tzinfo=UTC)) == who


@pytest.mark.parametrize(
    ("level_to", "rotation", "sentence"),
    [
        ("nobody", "rota", 'the escalation "all" names "nobody", which is not defined (defined: anna, rota)'),
        ("anna", "anna", 'the rotation "anna" has the name of another rotation or a receiver'),
    ],
)
def test_a_name_that_is_unknown_or_taken_is_one_sentence(level_to, rotation, sentence):
    escalation = EscalationConfig(name="all", levels=[{"after": "5m", "to": [level_to]}])
    rota = OnCallConfig(name=rotation, receivers=["anna"], start="2026-01-05T09:00")
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        check_escalations([escalation], [rota], ["anna"])
