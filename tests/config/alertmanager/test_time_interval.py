"""Sets of times, against an oracle that lists every minute, and what is refused."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import parse_source, validate
from tocsin.config.alertmanager import TimeIntervalConfig, TimeIntervalPartConfig, muting
from tocsin.errors import ConfigError

WEEKDAYS = [name.lower() for name in calendar.day_name]
MONTHS = [name.lower() for name in calendar.month_name][1:]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("weekdays: [moonday]", '"moonday" is not a weekday (allowed: sunday, monday'),
        ("weekdays: ['friday:monday']", "ends before it begins"),
        ("weekdays: ['a:b:c']", '"a" is not a weekday'),
        ("years: ['1:2:3']", '"1:2:3" is not a range'),
        ("years: [soon]", '"soon" is not a year'),
        ("days_of_month: ['0']", "0 is not a day of a month"),
        ("days_of_month: ['32']", "32 is not a day of a month (allowed: 1 to 31"),
        ("days_of_month: ['-3:3']", "must end with one"),
        ("days_of_month: ['5:-28']", "always before it begins"),
        ("months: ['13']", "13 is not a month"),
        ("months: ['']", '"" is not a month'),
        ("times: [{start_time: '9:00', end_time: '10:00'}]", '"9:00" is not a time of day'),
        ("times: [{start_time: '24:00', end_time: '24:00'}]", "start_time must be before end_time"),
        ("times: [{start_time: '09:00'}]", 'the key "end_time" is missing'),
        ("location: Atlantis", 'unknown location "Atlantis" (allowed: names such as Europe/Berlin'),
        ("location: ../../etc/passwd", "unknown location"),
        ("location: /etc/localtime", "unknown location"),
        ("time_zone: UTC", 'unknown key "time_zone"'),
    ],
)
def test_what_is_refused_with_one_sentence(text, sentence):
    with pytest.raises(ConfigError) as caught:
        validate(TimeIntervalPartConfig, parse_source(text, "am.yml"))
    assert sentence in str(caught.value)


def part(**lists):
    return TimeIntervalPartConfig(**lists)


def test_what_is_left_out_or_empty_takes_every_time():
    at = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)
    assert part().contains(at)
    assert part(weekdays=(), months=()).contains(at)
    assert not TimeIntervalConfig(name="never").contains(at)


def test_midnight_belongs_to_the_day_that_begins():
    late = part(times=[{"start_time": "23:00", "end_time": "24:00"}])
    assert late.contains(datetime(2024, 1, 1, 23, 59, 59, tzinfo=UTC))
    assert not late.contains(datetime(2024, 1, 2, 0, 0, tzinfo=UTC))


def test_a_location_decides_which_day_it_is():
    monday = {"weekdays": ["Monday"], "location": "Australia/Sydney"}
    assert part(**monday).contains(datetime(2024, 1, 7, 13, 0, tzinfo=UTC))
    assert part(weekdays=["sunday"]).contains(datetime(2024, 1, 8, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")))


def test_the_location_of_this_machine():
    at = datetime(2024, 1, 7, 13, 0, tzinfo=UTC)
    local = at.astimezone()
    clock = {"start_time": f"{local:%H}:00", "end_time": f"{local:%H}:59"}
    assert part(times=[clock], location="Local").contains(at)


def test_muting_names_in_the_order_of_the_names():
    intervals = {
        "a": TimeIntervalConfig(name="a", time_intervals=[{}]),
        "b": TimeIntervalConfig(name="b"),
    }
    at = datetime(2024, 1, 1, tzinfo=UTC)
    assert muting(["b", "a"], intervals, at) == ["a"]
    with pytest.raises(KeyError):
        muting(["c"], intervals, at)


def days_of_month(year, month, first, last):
    """The days that a range names, counted one by one."""
    days = list(range(1, calendar.monthrange(year, month)[1] + 1))
    begin = first if first > 0 else len(days) + 1 + first
    end = last if last > 0 else len(days) + 1 + last
    return [day for day in days if begin <= day <= end]


@given(
    day=st.integers(0, 4000),
    days=st.tuples(st.integers(-31, 31), st.integers(-31, 31)).filter(all),
    months=st.tuples(st.integers(1, 12), st.integers(1, 12)).map(sorted),
    weekdays=st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted),
)
def test_as_when_counted_by_hand(day, days, months, weekdays):
    at = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(days=day)
    sunday_first = [WEEKDAYS[-1], *WEEKDAYS[:-1]]
    text = f"""
days_of_month: ['{days[0]}:{days[1]}']
months: ['{months[0]}:{MONTHS[months[1] - 1]}']
weekdays: ['{sunday_first[weekdays[0]]}:{sunday_first[weekdays[1]].upper()}']
"""
    try:
        found = validate(TimeIntervalPartConfig, parse_source(text, "am.yml"))
    except ConfigError:
        # Of the shortest month, in which Alertmanager counts from the end to 0, it has no more than a day.
        is_mixed = days[0] < 0 < days[1]
        assert is_mixed or len(days_of_month(2023, 2, *(max(-28, day) for day in days))) <= 1
        return
    wanted = (
        at.day in days_of_month(at.year, at.month, *days)
        and months[0] <= at.month <= months[1]
        and at.strftime("%A").lower() in sunday_first[weekdays[0] : weekdays[1] + 1]
    )
    assert found.contains(at) is wanted


def test_a_day_of_a_year_is_in_just_one_of_its_months():
    first = datetime(2024, 1, 1, tzinfo=UTC)
    for day in range(366):
        at = first + timedelta(days=day)
        assert [month for month in MONTHS if part(months=[month]).contains(at)] == [MONTHS[at.month - 1]]
