"""Numbers as user code hands them over: plain ones quickly, all others one by one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import isfinite
from typing import Any, Final

from tocsin.sdk.guard import Guard

_NOTHING: Final = type(None)
_PLAIN: Final = frozenset({float, int})


def numbers(column: Sequence[Any], name: str, guard: Guard) -> Sequence[float | None]:
    """The same values at the same positions, or nothing where all are None.

    What is no finite number from 0 on is None, and told once.
    """
    kinds = set(map(type, column))
    if kinds == {_NOTHING}:
        return ()
    if kinds - {_NOTHING} <= _PLAIN and _are_usable(given(column) if _NOTHING in kinds else column):
        return column
    return [_number(value, name, guard) for value in column]


def given(column: Sequence[float | None]) -> Sequence[float]:
    """Those that are there."""
    # In most columns all are there, or none is.
    return [value for value in column if value is not None] if None in column else column  # type: ignore[return-value]


def _are_usable(values: Sequence[float]) -> bool:
    with suppress(OverflowError):  # an int beyond all floats
        return not values or (min(values) >= 0 and isfinite(sum(values)))
    return False


def _number(value: Any, name: str, guard: Guard) -> float | None:
    if value is None:
        return None
    with guard.around(f"value {name}", f"a {name} is left out (allowed are numbers from 0 on)"):
        return _checked(value)
    return None


def _checked(value: Any) -> float:
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("text is not read as a number")
    number = float(value.item() if hasattr(value, "item") else value)
    if not isfinite(number) or number < 0:
        raise ValueError(f"it is {number!r}")
    return number
