"""Numbers as Go's ``strconv.ParseFloat`` reads them, which is what statsd_exporter takes."""

from __future__ import annotations

import math
import re
from typing import Final

_DECIMAL: Final = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d+)?", re.ASCII)
_HEXADECIMAL: Final = re.compile(
    r"[+-]?0[xX](?:[\da-fA-F]++\.?[\da-fA-F]*+|\.[\da-fA-F]++)[pP][+-]?\d+", re.ASCII
)
_WORD: Final = re.compile(r"[+-]?inf(?:inity)?|nan", re.ASCII | re.IGNORECASE)


def parse_number(text: str) -> float:
    """Read a number; raises ValueError when it is none or is beyond what a float64 holds.

    >>> parse_number("-0x1p-2")
    -0.25
    """
    if _DECIMAL.fullmatch(text):
        return _in_range(float(text))
    if _WORD.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        return _in_range(_from_hexadecimal(text))
    raise ValueError(f'not a number: "{text}"')


def _from_hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return math.inf


def _in_range(value: float) -> float:
    if math.isinf(value):
        raise ValueError("a number is beyond the range of float64")
    return value
