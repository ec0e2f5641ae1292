"""Which steps the detectors look at one by one, when there are more than they can in Python."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import Final

from tocsin.sdk.columns import Column

STEPS_PER_SECOND: Final = 100
"""So many steps a second are looked at one by one: at some 10 µs each a thousandth of a core."""

_BURST_STEPS: Final = 100
_NS_PER_S: Final = 1_000_000_000


class Budget:
    """How many steps may be looked at, by the time that the steps themselves took.

    >>> budget = Budget()
    >>> budget.stride(40, 0, 0), budget.stride(1000, 0, 10_000_000)
    (1, 17)
    """

    def __init__(self) -> None:
        self._left = float(_BURST_STEPS)
        self._last_ns: int | None = None

    def stride(self, count: int, oldest_ns: int, newest_ns: int) -> int:
        """Of ``count`` steps between two times each how manieth is looked at; ``count + 1`` means none."""
        passed_ns = max(0, newest_ns - (oldest_ns if self._last_ns is None else self._last_ns))
        self._last_ns = newest_ns
        self._left = min(self._left + passed_ns * STEPS_PER_SECOND / _NS_PER_S, self._most(passed_ns))
        wanted = min(count, int(self._left))
        if wanted == 0:
            return count + 1
        self._left -= wanted
        return -(-count // wanted)

    def _most(self, passed_ns: int) -> float:
        return max(_BURST_STEPS, passed_ns * STEPS_PER_SECOND / _NS_PER_S)


def outstanding(column: Column, ceiling: float) -> set[int]:
    """Indices of steps that no stride may pass over: at most three, however many stand out.

    These are the first whose value is above the ceiling, the highest, and the first that is no finite
    number. That there is none, which is usual, is found by two passes in C.

    >>> outstanding(Column([1.0, 9.0], [0, 3]), 5.0)
    {3}
    """
    values: Sequence[float] = column.values
    found: set[int] = set()
    if not column.is_finite():
        found.update([at for at, value in enumerate(values) if not _is_finite(value)][:1])
        values = [value if value == value else -inf for value in values]
    highest = max(values)
    if highest > ceiling:
        found.add(values.index(highest))
        found.add(next(at for at, value in enumerate(values) if value > ceiling))
    return {column.indices[at] for at in found}


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False
