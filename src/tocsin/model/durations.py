"""Durations in Prometheus' notation, such as ``5m``, ``1h30m`` or ``250ms``."""

from __future__ import annotations

import re
from typing import Final

_UNITS_MS: Final = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}

_DURATION: Final = re.compile("".join(rf"(?:(?P<{unit}>\d+){unit})?" for unit in _UNITS_MS), re.ASCII)


def parse_duration_ms(text: str) -> int:
    """Read a duration as milliseconds.

    Raises ValueError with one sentence when the text is no duration.

    >>> parse_duration_ms("1h30m")
    5400000
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f'not a duration: "{text}" (allowed are forms such as 15s, 5m or 1h30m)')
    return sum(int(count) * _UNITS_MS[unit] for unit, count in match.groupdict().items() if count)


def format_duration_ms(duration_ms: int) -> str:
    """Write a duration in the shortest exact form.

    >>> format_duration_ms(5_400_000)
    '1h30m'
    """
    if duration_ms == 0:
        return "0s"
    parts, rest = [], abs(duration_ms)
    for unit, size_ms in _UNITS_MS.items():
        exact_only = unit in {"y", "w"}
        if rest >= size_ms and (not exact_only or rest % size_ms == 0):
            count, rest = divmod(rest, size_ms)
            parts.append(f"{count}{unit}")
    return ("-" if duration_ms < 0 else "") + "".join(parts)
