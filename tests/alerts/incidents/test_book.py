from __future__ import annotations

import pytest

from tests.alerts.incidents.scene import START_MS, Scene
from tocsin.alerts.incidents import IncidentStatus
from tocsin.config.escalation import MaintenanceConfig
from tocsin.errors import ParseError


async def test_it_opens_and_resolves_with_its_alerts():
    scene = Scene()
    await scene.fire(severity="warning", i="1")
    await scene.fire(severity="critical", i="2")
    await scene.wait(10)
    (incident,) = scene.book.active()
    assert (incident.title, incident.severity, len(incident.firing)) == ("A and 1 more", "critical", 2)
    await scene.resolve(severity="warning", i="1")
    await scene.wait(11)
    assert scene.book.get(1).status is IncidentStatus.OPEN
    await scene.resolve(severity="critical", i="2")
    await scene.wait(11)
    assert scene.book.get(1).status is IncidentStatus.RESOLVED
    assert scene.book.active() == []
    kinds = scene.kinds()
    assert kinds[:3] == ["opened", "alert fired", "notified"]
    assert kinds.count("alert resolved") == 2
    assert "resolved" in kinds


async def test_alerts_without_severity_to_speak_of_open_none():
    scene = Scene()
    await scene.fire("Watchdog", severity="none")
    assert scene.book.all() == []


async def test_a_group_that_fires_again_soon_opens_it_again_and_later_another():
    scene = Scene(reopen_within="5m")
    for _ in range(2):
        await scene.fire()
        await scene.wait(5)
        await scene.resolve()
        await scene.wait(20)
    assert [each.reopened for each in scene.book.all()] == [1]
    assert "reopened" in scene.kinds()
    await scene.clock.advance(400)
    await scene.fire()
    assert [each.id for each in scene.book.all()] == [1, 2]


async def test_who_acts_is_known_until_it_must_have_been_resolved():
    scene = Scene()
    await scene.fire()
    scene.book.acknowledge(1, "anna", scene.clock.now_ms(), scene.clock.now_ms() + 5000)
    assert scene.book.get(1).status is IncidentStatus.ACKNOWLEDGED
    scene.book.note(1, "anna", " looking ", scene.clock.now_ms())
    await scene.wait(6)
    incident = scene.book.get(1)
    assert (incident.status, incident.first_acknowledged_ms) == (IncidentStatus.OPEN, START_MS)
    assert scene.kinds()[-3:] == ["acknowledged", "note", "unacknowledged"]


async def test_two_become_one():
    scene = Scene()
    await scene.fire("A")
    await scene.fire("B")
    scene.book.note(1, "anna", "first", scene.clock.now_ms())
    merged = scene.book.merge(1, 2, "anna", scene.clock.now_ms())
    assert (merged.id, len(merged.alerts)) == (2, 2)
    assert scene.book.get(1) == merged
    assert "note" in scene.kinds(2)
    await scene.resolve("B")
    await scene.wait(11)
    assert scene.book.get(2).status is IncidentStatus.OPEN
    await scene.resolve("A")
    await scene.wait(11)
    assert scene.book.get(2).status is IncidentStatus.RESOLVED


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda book: book.get(7), "there is no incident 7"),
        (lambda book: book.merge(1, 1, "a", 0), "cannot be merged into itself"),
        (lambda book: book.note(1, "a", "  ", 0), "the note is empty"),
        (lambda book: book.escalate(1, "a", 0), "has no escalation that could begin"),
    ],
)
async def test_what_cannot_be_is_one_sentence(act, sentence):
    scene = Scene()
    await scene.fire()
    with pytest.raises(ParseError, match=sentence):
        act(scene.book)


async def test_all_of_it_survives_a_restart_and_nobody_is_told_again(tmp_path):
    scene = Scene(folder=tmp_path)
    await scene.fire(i="1")
    scene.book.acknowledge(1, "anna", scene.clock.now_ms())
    before, kinds = scene.book.all(), scene.kinds()
    url = scene.book.acknowledge_url('{}:{alertname="A"}')
    await scene.stop()
    scene.start()
    await scene.wait(15)
    assert (scene.book.all(), scene.kinds()) == (before, kinds)
    assert scene.book.acknowledge_url('{}:{alertname="A"}') == url
    assert scene.people["team"].told == [0]
    await scene.resolve(i="1")
    await scene.wait(11)
    assert len(scene.people["team"].told) == 2
    await scene.stop()


async def test_an_alert_that_nobody_confirms_after_a_restart_is_over_and_told(tmp_path):
    scene = Scene(folder=tmp_path)
    await scene.fire(lasts_s=60)
    await scene.stop()
    await scene.clock.advance(3600)
    scene.start()
    await scene.wait(20)
    assert scene.book.get(1).status is IncidentStatus.OPEN, "its sender has time to confirm it"
    await scene.wait(320)
    assert scene.book.get(1).status is IncidentStatus.RESOLVED
    assert len(scene.people["team"].told) == 2
    await scene.stop()


async def test_flapping_is_noted_and_its_ends_are_held_back():
    flapping = {"changes": 4, "within": "10m", "hold": True}
    scene = Scene(flapping=flapping)
    for _ in range(4):
        await scene.fire()
        await scene.wait(12)
        await scene.resolve()
        await scene.wait(12)
    told = len(scene.people["team"].told)
    assert "flapping" in scene.kinds()
    await scene.fire()
    await scene.wait(12)
    await scene.resolve()
    await scene.wait(100)
    assert len(scene.people["team"].told) <= told + 1
    await scene.wait(300)
    assert scene.book.get(1).status is IncidentStatus.RESOLVED


async def test_in_maintenance_nobody_is_told_and_nothing_opens():
    window = MaintenanceConfig(
        name="patching",
        matchers=["alertname=A"],
        time_intervals=[{"weekdays": ["monday"], "times": [{"start_time": "08:00", "end_time": "09:00"}]}],
    )
    scene = Scene(maintenance=[window])
    await scene.fire("A")
    await scene.fire("B")
    assert [each.title for each in scene.book.all()] == ["B"]
    await scene.clock.advance(3700)
    assert sorted(each.title for each in scene.book.all()) == ["A", "B"]


async def test_incidents_are_forgotten_after_their_time():
    scene = Scene(retention="1d")
    await scene.fire()
    await scene.resolve()
    await scene.wait(11)
    await scene.clock.advance(86_400 + 60)
    assert scene.book.all() == []
    assert scene.kinds() == []
