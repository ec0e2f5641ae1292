"""Go's times and durations, as templates print, format and compare them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar, Final

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.signature import Signature, bind
from tocsin.gotemplate.values import Object, Value

ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Go's zero time, which stands for none."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_LAYOUT: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|002|01|02|03|04|05|06|15|_2|1|2|3|4|5|PM|pm"
    r"|Z070000|Z07:00:00|Z0700|Z07:00|Z07|-07:00:00|-070000|-07:00|-0700|-07"
    r"|[.,](?:0+|9+)(?!\d)"
)


class Duration(int, Object):
    """A time span in nanoseconds.

    >>> str(Duration(90_500_000_000)), str(Duration(1_500_000)), str(Duration(0))
    ('1m30.5s', '1.5ms', '0s')
    """

    go_type: ClassVar[str] = "time.Duration"

    def __str__(self) -> str:
        sign, nanoseconds = ("-" if self < 0 else ""), abs(int(self))
        if nanoseconds == 0:
            return "0s"
        for unit_ns, unit in ((1_000, "ns"), (1_000_000, "µs"), (1_000_000_000, "ms")):
            if nanoseconds < unit_ns:
                return f"{sign}{_decimal(nanoseconds, unit_ns // 1_000)}{unit}"
        minutes, rest_ns = divmod(nanoseconds, 60_000_000_000)
        hours, minute = divmod(minutes, 60)
        shown = f"{hours}h" if hours else ""
        shown += f"{minute}m" if minutes else ""
        return f"{sign}{shown}{_decimal(rest_ns, 1_000_000_000)}s"

    def method(self, name: str) -> Callable[..., Value] | None:
        """Seconds, Round and the like."""
        return bind(_DURATION_METHODS, self, name)


class Time(Object):
    """An instant in a time zone.

    >>> str(Time.at_ms(1_700_000_000_120))
    '2023-11-14 22:13:20.12 +0000 UTC'
    """

    go_type: ClassVar[str] = "time.Time"

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    @classmethod
    def at_ms(cls, timestamp_ms: int | None) -> Time:
        """Milliseconds since 1970 in UTC; None gives the zero time."""
        try:
            return cls(ZERO if timestamp_ms is None else _EPOCH + timedelta(milliseconds=timestamp_ms))
        except OverflowError:
            raise TemplateError(f"{timestamp_ms} ms after 1970 is no time that can be shown") from None

    def __str__(self) -> str:
        return self.format("2006-01-02 15:04:05.999999999 -0700 MST")

    def format(self, layout: str) -> str:
        """Write it as a layout shows Go's reference time, ``Mon Jan 2 15:04:05 MST 2006``."""
        return _LAYOUT.sub(lambda match: self._element(match.group()), layout)

    def in_zone(self, zone: tzinfo) -> Time:
        """The same instant in another time zone."""
        try:
            return Time(self.moment.astimezone(zone))
        except OverflowError:
            return self

    @property
    def unix_ns(self) -> int:
        """Nanoseconds since 1970."""
        return (self.moment - _EPOCH) // timedelta(microseconds=1) * 1_000

    def minus(self, other: Time) -> Duration:
        """How much later it is than another."""
        return Duration(self.unix_ns - other.unix_ns)

    def plus(self, duration: int) -> Time:
        """So many nanoseconds later."""
        try:
            return Time(self.moment + timedelta(microseconds=duration / 1_000))
        except OverflowError:
            raise TemplateError(f"{self} and {duration} ns is no time that can be shown") from None

    def method(self, name: str) -> Callable[..., Value] | None:
        """Format, Unix, Add and the like."""
        return bind(_TIME_METHODS, self, name)

    def _element(self, element: str) -> str:
        if element[0] in "Z-":
            return self._offset(element)
        if element[0] in ".,":
            return self._fraction(element)
        if element == "MST":
            return self._zone()
        return _ELEMENTS[element](self.moment)

    def _offset(self, element: str) -> str:
        offset_s = int((self.moment.utcoffset() or timedelta()).total_seconds())
        if element[0] == "Z" and offset_s == 0:
            return "Z"
        hours, rest_s = divmod(abs(offset_s), 3600)
        parts = [f"{hours:02d}", f"{rest_s // 60:02d}", f"{rest_s % 60:02d}"]
        digits = sum(sign.isdigit() for sign in element)
        joined = (":" if ":" in element else "").join(parts[: digits // 2])
        return ("-" if offset_s < 0 else "+") + joined

    def _fraction(self, element: str) -> str:
        digits = f"{self.moment.microsecond * 1_000:09d}"[: len(element) - 1].ljust(len(element) - 1, "0")
        if element[1] == "9":
            digits = digits.rstrip("0")
        return element[0] + digits if digits else ""

    def _zone(self) -> str:
        name = self.moment.tzname() or ""
        return self._offset("-07") if name.startswith("UTC") and name != "UTC" else name


def _decimal(count: int, unit: int) -> str:
    whole, rest = divmod(count, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if unit > 1 else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


def _hour12(moment: datetime) -> int:
    return moment.hour % 12 or 12


_ELEMENTS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "January": lambda moment: _MONTHS[moment.month - 1],
    "Jan": lambda moment: _MONTHS[moment.month - 1][:3],
    "Monday": lambda moment: _DAYS[moment.weekday()],
    "Mon": lambda moment: _DAYS[moment.weekday()][:3],
    "2006": lambda moment: f"{moment.year:04d}",
    "06": lambda moment: f"{moment.year % 100:02d}",
    "01": lambda moment: f"{moment.month:02d}",
    "1": lambda moment: str(moment.month),
    "02": lambda moment: f"{moment.day:02d}",
    "_2": lambda moment: f"{moment.day:2d}",
    "2": lambda moment: str(moment.day),
    "002": lambda moment: f"{moment.timetuple().tm_yday:03d}",
    "__2": lambda moment: f"{moment.timetuple().tm_yday:3d}",
    "15": lambda moment: f"{moment.hour:02d}",
    "03": lambda moment: f"{_hour12(moment):02d}",
    "3": lambda moment: str(_hour12(moment)),
    "04": lambda moment: f"{moment.minute:02d}",
    "4": lambda moment: str(moment.minute),
    "05": lambda moment: f"{moment.second:02d}",
    "5": lambda moment: str(moment.second),
    "PM": lambda moment: "AM" if moment.hour < 12 else "PM",
    "pm": lambda moment: "am" if moment.hour < 12 else "pm",
}

_TIME_METHODS: Final[Mapping[str, Signature]] = {
    "Add": Signature(Time.plus, ("int",)),
    "After": Signature(lambda one, other: one.moment > other.moment, (Time,)),
    "Before": Signature(lambda one, other: one.moment < other.moment, (Time,)),
    "Day": Signature(lambda time: time.moment.day),
    "Equal": Signature(lambda one, other: one.moment == other.moment, (Time,)),
    "Format": Signature(Time.format, ("string",)),
    "Hour": Signature(lambda time: time.moment.hour),
    "IsZero": Signature(lambda time: time.moment == ZERO),
    "Local": Signature(lambda time: time.in_zone(UTC)),
    "Minute": Signature(lambda time: time.moment.minute),
    "Month": Signature(lambda time: _MONTHS[time.moment.month - 1]),
    "Second": Signature(lambda time: time.moment.second),
    "String": Signature(str),
    "Sub": Signature(Time.minus, (Time,)),
    "UTC": Signature(lambda time: time.in_zone(UTC)),
    "Unix": Signature(lambda time: time.unix_ns // 1_000_000_000),
    "UnixMilli": Signature(lambda time: time.unix_ns // 1_000_000),
    "UnixNano": Signature(lambda time: time.unix_ns),
    "Weekday": Signature(lambda time: _DAYS[time.moment.weekday()]),
    "Year": Signature(lambda time: time.moment.year),
    "YearDay": Signature(lambda time: time.moment.timetuple().tm_yday),
}


def _truncate(duration: Duration, unit: int) -> Duration:
    if unit <= 0:
        return duration
    sign = -1 if duration < 0 else 1
    return Duration(sign * (abs(duration) // unit * unit))


def _round(duration: Duration, unit: int) -> Duration:
    if unit <= 0:
        return duration
    sign = -1 if duration < 0 else 1
    return Duration(sign * ((abs(duration) + unit // 2) // unit * unit))


_DURATION_METHODS: Final[Mapping[str, Signature]] = {
    "Abs": Signature(lambda duration: Duration(abs(duration))),
    "Hours": Signature(lambda duration: duration / 3.6e12),
    "Microseconds": Signature(lambda duration: int(duration / 1_000)),
    "Milliseconds": Signature(lambda duration: int(duration / 1_000_000)),
    "Minutes": Signature(lambda duration: duration / 6e10),
    "Nanoseconds": Signature(int),
    "Round": Signature(_round, ("int",)),
    "Seconds": Signature(lambda duration: duration / 1e9),
    "String": Signature(str),
    "Truncate": Signature(_truncate, ("int",)),
}
