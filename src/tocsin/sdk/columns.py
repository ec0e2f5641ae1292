"""Steps turned on their side: of each value its course over the steps, in passes that run in C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from operator import itemgetter
from typing import Final

Step = tuple[int, int, dict[str, float]]
"""When it was taken (ns since 1970), its number, its values."""

_values = itemgetter(2)


class Columns:
    """The values of steps by name, for whoever looks at many steps at once.

    >>> columns = Columns([(0, 1, {"loss": 1.0}), (1, 2, {"loss": 0.5}), (2, 3, {"lr": 0.1})])
    >>> [name for name, _ in columns], columns["loss"].values, columns["loss"].indices
    (['loss', 'lr'], [1.0, 0.5], [0, 1])
    >>> columns["accuracy"] is None
    True
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._columns = _dense(list(map(_values, steps)))

    def __getitem__(self, name: str) -> Column | None:
        """The course of a value; None where no step has it."""
        return self._columns.get(name)

    def __iter__(self) -> Iterator[tuple[str, Column]]:
        """All names with their courses, in the order in which they first come."""
        return iter(self._columns.items())


class Column:
    """One value over the steps that have it; never empty."""

    __slots__ = ("_total", "indices", "values")

    def __init__(self, values: Sequence[float], indices: Sequence[int]) -> None:
        self.values = values
        self.indices = indices
        self._total: float | None = None

    @property
    def total(self) -> float:
        """The sum: finite only where all values are; NaN where that is too large for a float."""
        if self._total is None:
            try:
                self._total = float(sum(self.values))
            except OverflowError:  # an int beyond all floats
                self._total = _NAN
        return self._total

    def is_finite(self) -> bool:
        """Whether all values are finite; in doubt, when their sum is too large, it says no."""
        return isfinite(self.total)


_NAN: Final = float("nan")


def _dense(values: Sequence[dict[str, float]]) -> dict[str, Column]:
    """The columns of steps that all have the same values, as is usual."""
    names = list(values[0]) if values else []
    if len(set(map(len, values))) > 1:
        return _sparse(values)
    everywhere = range(len(values))
    try:
        # A list for each name and nothing for each step, as that would keep the garbage collector busy.
        return {name: Column(list(map(itemgetter(name), values)), everywhere) for name in names}
    except KeyError:
        return _sparse(values)


def _sparse(values: Sequence[dict[str, float]]) -> dict[str, Column]:
    found: dict[str, tuple[list[float], list[int]]] = {}
    for index, each in enumerate(values):
        for name, value in each.items():
            if name not in found:
                found[name] = ([], [])
            column, indices = found[name]
            column.append(value)
            indices.append(index)
    return {name: Column(column, indices) for name, (column, indices) in found.items()}
