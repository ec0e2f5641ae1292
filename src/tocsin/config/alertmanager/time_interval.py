"""Named sets of times, for which routes are silent or outside which they are.

Source: prometheus.io/docs/alerting/latest/configuration/#time_interval.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Annotated, Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, model_validator

from tocsin.config.alertmanager.values import Text
from tocsin.config.model import ConfigModel

_WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name)
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_SHORTEST_MONTH_DAYS: Final = 28


class Range(NamedTuple):
    """From one number to another, both included."""

    first: int
    last: int

    def contains(self, value: int) -> bool:
        """Whether a number lies in it."""
        return self.first <= value <= self.last


def _weekday(text: str) -> int:
    if text not in _WEEKDAYS:
        raise ValueError(f'"{text}" is not a weekday (allowed: {", ".join(_WEEKDAYS)})')
    return _WEEKDAYS.index(text)


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'"{text[:80]}" is not a {what}')
    return int(text)


def _day(text: str) -> int:
    day = _number(text, "day of a month")
    if day == 0 or abs(day) > 31:
        raise ValueError(f"{day} is not a day of a month (allowed: 1 to 31, and -31 to -1 from its end)")
    return day


def _month(text: str) -> int:
    month = _MONTHS.index(text) if text in _MONTHS[1:] else _number(text, "month")
    if not 1 <= month <= 12:
        raise ValueError(f"{month} is not a month (allowed: 1 to 12, and their names)")
    return month


def _year(text: str) -> int:
    return _number(text, "year")


def _range(read: Callable[[str], int]) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if not isinstance(value, str):
            return value
        ends = [read(part) for part in value.lower().split(":")]
        if len(ends) > 2:
            raise ValueError(f'"{value[:80]}" is not a range (allowed are forms such as a and a:b)')
        return Range(ends[0], ends[-1])

    return parse


def _forwards(value: Range) -> Range:
    if value.first > value.last:
        raise ValueError("the range ends before it begins")
    return value


def _days_forwards(value: Range) -> Range:
    """Refuse what is empty in every month; days from its end are counted in the shortest one."""
    if value.first < 0 < value.last:
        raise ValueError("a range that begins with a day from the end of the month must end with one")
    first, last = (day if day > 0 else _SHORTEST_MONTH_DAYS + day for day in value)
    if first > last:
        raise ValueError(f"the range ends with day {value.last}, always before it begins, day {value.first}")
    return value


def _minutes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _CLOCK.fullmatch(value)
    if match is None:
        raise ValueError(f'"{value[:80]}" is not a time of day (allowed: 00:00 to 24:00)')
    return int(match[1] or 24) * 60 + int(match[2] or 0)


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """A time zone; None is the one of this machine."""
    if name == "Local":
        return None
    try:
        return ZoneInfo(name) if name not in {"", "UTC"} else UTC
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f'unknown location "{name[:80]}" (allowed: names such as Europe/Berlin, UTC and Local)'
        ) from None


def _location(name: str) -> str:
    zone_of(name)
    return name


def _range_type(read: Callable[[str], int]) -> BeforeValidator:
    return BeforeValidator(_range(read))


def _written(write: Callable[[int], str] = str) -> PlainSerializer:
    return PlainSerializer(lambda ends: ":".join(write(end) for end in ends), when_used="json")


MinuteOfDay: TypeAlias = Annotated[
    int,
    BeforeValidator(_minutes),
    PlainSerializer(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}", when_used="json"),
]
"""A time of day such as ``17:30``, held as minutes since midnight."""


class TimeRangeConfig(ConfigModel):
    """From one time of a day to another, which is not included."""

    start_time: MinuteOfDay
    end_time: MinuteOfDay

    @model_validator(mode="after")
    def _is_forwards(self) -> TimeRangeConfig:
        if self.start_time >= self.end_time:
            raise ValueError("start_time must be before end_time")
        return self

    def contains(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        return self.start_time <= minute < self.end_time


Weekdays: TypeAlias = tuple[
    Annotated[Range, AfterValidator(_forwards), _range_type(_weekday), _written(_WEEKDAYS.__getitem__)], ...
]
"""Days such as ``saturday`` and ``monday:friday``, held as numbers, Sunday being 0."""

Location: TypeAlias = Annotated[str, AfterValidator(_location)]
"""A time zone such as ``Europe/Berlin``; ``Local`` is the one of this machine."""


class TimeIntervalPartConfig(ConfigModel):
    """Times that satisfy each list that is not empty; weekdays are held as numbers, Sunday being 0."""

    times: tuple[TimeRangeConfig, ...] = ()
    weekdays: Weekdays = ()
    days_of_month: tuple[
        Annotated[Range, AfterValidator(_days_forwards), _range_type(_day), _written()], ...
    ] = ()
    months: tuple[Annotated[Range, AfterValidator(_forwards), _range_type(_month), _written()], ...] = ()
    years: tuple[Annotated[Range, AfterValidator(_forwards), _range_type(_year), _written()], ...] = ()
    location: Location = "UTC"

    def contains(self, at: datetime) -> bool:
        """Whether a time, which knows its zone, lies in it."""
        local = at.astimezone(zone_of(self.location))
        return (
            _any(self.times, local.hour * 60 + local.minute)
            and _any(self.weekdays, local.isoweekday() % 7)
            and _any(_days(self.days_of_month, local), local.day)
            and _any(self.months, local.month)
            and _any(self.years, local.year)
        )


def _any(ranges: Iterable[Range | TimeRangeConfig], value: int) -> bool:
    listed = tuple(ranges)
    return not listed or any(each.contains(value) for each in listed)


def _days(ranges: Iterable[Range], at: datetime) -> list[Range]:
    """The days as they are in the month of a time, where the last is -1."""
    days = calendar.monthrange(at.year, at.month)[1]
    return [Range(*(day if day > 0 else days + day + 1 for day in each)) for each in ranges]


class TimeIntervalConfig(ConfigModel):
    """A name, and the times that it stands for.

    >>> worktime = TimeIntervalConfig(name="worktime", time_intervals=[{"weekdays": ["monday:friday"]}])
    >>> worktime.contains(datetime(2026, 1, 3, tzinfo=UTC))
    False
    """

    name: Text
    time_intervals: tuple[TimeIntervalPartConfig, ...] = ()

    def contains(self, at: datetime) -> bool:
        """Whether a time, which knows its zone, lies in any of the intervals."""
        return any(interval.contains(at) for interval in self.time_intervals)


def muting(names: Iterable[str], intervals: Mapping[str, TimeIntervalConfig], at: datetime) -> list[str]:
    """Those of several names whose intervals a time lies in; raises KeyError for a name that is unknown."""
    return [name for name in names if intervals[name].contains(at)]
