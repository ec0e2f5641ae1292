"""Durations in Go's notation, which have fractions and no days: ``300ms``, ``1m20s`` or ``1.5h``.

Source: ``time.ParseDuration`` of Go. Prometheus' own durations are in :mod:`tocsin.model.durations`.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, Field

_DURATION: Final = re.compile(r"\+?(?:0|(?:(?:\d++\.?\d*+|\.\d++)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART: Final = re.compile(r"([\d.]+)([^\d.]+)", re.ASCII)
_UNITS_MS: Final = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "μs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "m": 60e3,
    "h": 3600e3,
}


def parse_go_duration_ms(text: str) -> int:
    """Read a duration as milliseconds, rounded up, so that only 0 is nothing.

    Raises ValueError with one sentence when the text is no duration.

    >>> parse_go_duration_ms("1m2.5s"), parse_go_duration_ms("300us")
    (62500, 1)
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f'not a duration: "{text}" (allowed are forms such as 300ms, 1m20s or 1.5h)')
    duration_ms = sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))
    if not math.isfinite(duration_ms):
        raise ValueError(f'the duration "{text[:20]}…" is too long')
    return math.ceil(round(duration_ms, 6))


def _from_text(value: object) -> object:
    return parse_go_duration_ms(value) if isinstance(value, str) else value


GoDurationMs: TypeAlias = Annotated[int, BeforeValidator(_from_text), Field(ge=0)]
"""A duration in Go's notation, held in milliseconds; 0 stands for none."""
