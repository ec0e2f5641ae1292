"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

ZERO_TIME: Final = "0001-01-01T00:00:00Z"
"""How Go, and so every API of Prometheus and Alertmanager, writes that there is no time."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def format_timestamp_ms(timestamp_ms: int | None) -> str:
    """Write milliseconds since 1970 as RFC 3339 in UTC, with no more digits than needed.

    >>> format_timestamp_ms(1_700_000_000_120), format_timestamp_ms(None)
    ('2023-11-14T22:13:20.12Z', '0001-01-01T00:00:00Z')
    """
    if timestamp_ms is None:
        return ZERO_TIME
    moment = _EPOCH + timedelta(milliseconds=timestamp_ms)
    fraction = f".{timestamp_ms % 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def format_with_milliseconds(timestamp_ms: int) -> str:
    """The same with three digits always, as Alertmanager's API writes times.

    >>> format_with_milliseconds(1_700_000_000_120)
    '2023-11-14T22:13:20.120Z'
    """
    moment = _EPOCH + timedelta(milliseconds=timestamp_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{timestamp_ms % 1000:03d}Z"
