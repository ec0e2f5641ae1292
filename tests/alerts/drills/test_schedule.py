"""Drills run by themselves when they are due."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.drills.scene import Scene, refusal
from tests.support.clock import settle
from tocsin.alerts import AlertingState
from tocsin.alerts.drills import DrillSchedule, Result
from tocsin.config.drills import DrillConfig


class Planned(Scene):
    """A scene with a schedule."""

    def __init__(self, *drills, **options):
        super().__init__(**options)
        self.drills = [DrillConfig(**each) for each in drills]

    async def __aenter__(self):
        await super().__aenter__()
        task = asyncio.create_task(DrillSchedule(self.drills, self.desk, self.clock).run())
        self._stack.callback(task.cancel)
        await settle()
        return self

    def starts_s(self):
        """When drills began, in seconds after the start of the scene."""
        return sorted((each.started_ms - 1_700_000_000_000) // 1000 for each in self.desk.newest(1000))


async def test_every_so_long_beginning_a_minute_after_the_start():
    async with Planned({"receiver": "pager", "every": "2m"}) as scene:
        await scene.wait(305)
        assert scene.starts_s() == [60, 180, 300]
        assert {each.request.by for each in scene.desk.newest(9)} == {"schedule"}
        assert scene.channels["pager"][0].statuses.count("firing") == 3


async def test_a_restart_does_not_begin_anew():
    state = AlertingState.open()
    drill = {"receiver": "pager", "every": "10m"}
    async with Planned(drill, state=state) as scene:
        await scene.wait(70)
    async with Planned(drill, state=state) as again:
        await again.clock.advance(90)
        assert again.starts_s() == [60]
        await again.clock.advance(600)
        assert again.starts_s() == [60, 660]


async def test_what_is_due_while_the_last_one_runs_is_left_out(caplog):
    waiting = {"receiver": "pager", "every": "1m", "wait_acknowledge": "150s"}
    async with Planned(waiting) as scene:
        await scene.wait(200)
        assert scene.starts_s() == [60]
        assert "a scheduled drill is left out" in caplog.text


async def test_a_failed_one_is_counted_until_one_succeeds():
    async with Planned({"receiver": "pager", "every": "1m"}, pager=[[refusal()]]) as scene:
        await scene.wait(65)
        assert scene.metrics("tocsin_drill_success") == {("pager", "webhook"): 0}
        assert scene.desk.newest(1)[0].result is Result.FAILED
        scene.channels["pager"][0].errors = []
        await scene.wait(60)
        assert scene.metrics("tocsin_drill_success") == {("pager", "webhook"): 1}


@pytest.mark.parametrize(
    ("config", "after", "due"),
    [
        ({"at": "09:30"}, "2026-01-05T09:29:59+00:00", "2026-01-05T09:30:00+00:00"),
        ({"at": "09:30"}, "2026-01-05T09:30:00+00:00", "2026-01-06T09:30:00+00:00"),
        ({"at": "09:30", "location": "Asia/Tokyo"}, "2026-01-05T09:00:00+00:00", "2026-01-06T09:30:00+09:00"),
        (
            {"at": "09:30", "weekdays": ["monday:friday"], "location": "Europe/Berlin"},
            "2026-01-09T09:30:00+01:00",
            "2026-01-12T09:30:00+01:00",
        ),
        # The clocks go forward on Sunday, 29 March: a week is an hour shorter.
        (
            {"at": "09:30", "weekdays": ["monday"], "location": "Europe/Berlin"},
            "2026-03-23T09:30:00+01:00",
            "2026-03-30T09:30:00+02:00",
        ),
        ({"at": "24:00", "weekdays": ["sunday"]}, "2026-01-05T00:00:00+00:00", "2026-01-12T00:00:00+00:00"),
    ],
)
def test_times_of_day(config, after, due):
    after_ms, due_ms = (round(datetime.fromisoformat(text).timestamp() * 1000) for text in (after, due))
    assert DrillConfig(**config).next_ms(after_ms) == due_ms


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati")


@given(
    after_s=st.integers(1_600_000_000, 2_000_000_000),
    minute=st.integers(0, 1439),
    weekday=st.sampled_from(["", "sunday", "wednesday:friday"]),
    zone=st.sampled_from(ZONES),
)
def test_a_time_of_day_is_the_first_that_fits(after_s, minute, weekday, zone):
    at = f"{minute // 60:02d}:{minute % 60:02d}"
    config = DrillConfig(at=at, weekdays=[weekday] if weekday else [], location=zone)
    due_ms = config.next_ms(after_s * 1000)
    assert due_ms > after_s * 1000
    local = datetime.fromtimestamp(due_ms / 1000, ZoneInfo(zone))
    allowed = {"": range(7), "sunday": [6], "wednesday:friday": [2, 3, 4]}[weekday]
    assert local.weekday() in allowed
    # Where the clocks go forward the time is left out on one day; what is due then comes up to an hour later.
    moved = timedelta(hours=local.hour, minutes=local.minute) - timedelta(minutes=minute)
    assert moved in {timedelta(0), timedelta(minutes=30), timedelta(hours=1)}
    assert due_ms - after_s * 1000 <= (8 if weekday else 1) * 86_400_000 + 3_600_000
