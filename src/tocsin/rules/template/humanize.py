"""Numbers as people read them: the ``humanize…`` functions of Prometheus' templates."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote_plus

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.values import Value, format_float, type_name

_LARGE: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_LARGE_BINARY: Final = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_float(value: Value) -> float:
    """A number, or text that is one."""
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        raise TemplateError(f'not a number: "{value}"') from None
    raise TemplateError(f"can't convert {type_name(value)} to float")


def humanize(value: Value) -> str:
    """Metric prefixes.

    >>> humanize(123456789.0), humanize(0.00012345)
    ('123.5M', '123.4u')
    """
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _short(number)
    return _large(number, _LARGE, 1000) if abs(number) >= 1 else _small(number)


def humanize_1024(value: Value) -> str:
    """Binary prefixes.

    >>> humanize_1024(123456789.0)
    '117.7Mi'
    """
    number = to_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _short(number)
    return _large(number, _LARGE_BINARY, 1024)


def humanize_duration(value: Value) -> str:
    """Seconds as days, hours, minutes and seconds.

    >>> humanize_duration(90061.5), humanize_duration(0.01)
    ('1d 1h 1m 1s', '10ms')
    """
    seconds = to_float(value)
    if seconds == 0 or not math.isfinite(seconds):
        return _short(seconds) + ("s" if seconds == 0 else "")
    if abs(seconds) < 1:
        return _small(seconds) + "s"
    return ("-" if seconds < 0 else "") + _long_duration(abs(seconds))


def _long_duration(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour}h {minute}m {second}s"
    if hours:
        return f"{hour}h {minute}m {second}s"
    return f"{minute}m {second}s" if minutes else f"{_short(seconds)}s"


def humanize_percentage(value: Value) -> str:
    """A ratio in percent.

    >>> humanize_percentage(0.1234567)
    '12.35%'
    """
    return f"{_short(to_float(value) * 100)}%"


def humanize_timestamp(value: Value) -> str:
    """Seconds since 1970 as a date.

    >>> humanize_timestamp(1435065584.128)
    '2015-06-23 13:19:44.128 +0000 UTC'
    """
    seconds = to_float(value)
    return _short(seconds) if not math.isfinite(seconds) else go_time(seconds)


def go_time(seconds: float) -> str:
    """Write seconds since 1970 as Go prints a time."""
    try:
        moment = _EPOCH + timedelta(milliseconds=int(seconds * 1000))
    except OverflowError:
        raise TemplateError(f"{format_float(seconds)} cannot be represented as a timestamp") from None
    fraction = f"{moment.microsecond / 1e6:.6f}"[1:].rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def graph_link(expression: str, *, as_table: bool) -> str:
    """The path of the page that shows an expression."""
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab={int(as_table)}"


def _short(number: float) -> str:
    return f"{number:.4g}" if math.isfinite(number) else format_float(number)


def _large(number: float, prefixes: tuple[str, ...], step: int) -> str:
    prefix = ""
    for candidate in prefixes:
        if abs(number) < step:
            break
        prefix, number = candidate, number / step
    return _short(number) + prefix


def _small(number: float) -> str:
    prefix = ""
    for candidate in _SMALL:
        if abs(number) >= 1:
            break
        prefix, number = candidate, number * 1000
    return _short(number) + prefix
