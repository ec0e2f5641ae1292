"""Numbers as Go writes them, since they end up in labels that others compare."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

_SMALLEST_PLAIN: Final = 1e-6
_SMALLEST_WITH_EXPONENT: Final = 1e21


def plain_number(value: float) -> str:
    """The shortest digits that mean a value, without an exponent, as in the label ``le``.

    >>> plain_number(5.0), plain_number(1e-7), plain_number(float("inf"))
    ('5', '0.0000001', '+Inf')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def json_number(value: float) -> str:
    """The shortest digits that mean a value, with an exponent where Go's JSON has one.

    >>> json_number(637.704), json_number(1e21), json_number(1.5e-7)
    ('637.704', '1e+21', '1.5e-7')
    """
    is_plain = value == 0 or _SMALLEST_PLAIN <= abs(value) < _SMALLEST_WITH_EXPONENT
    if is_plain or not math.isfinite(value):
        return plain_number(value)
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent):+d}"
