"""What is known of each series, in arrays that grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tocsin.model import Labels, Matcher
from tocsin.storage.index import satisfies
from tocsin.storage.quality.rules import UNTOUCHED

Rows: TypeAlias = npt.NDArray[np.int64]
Times: TypeAlias = npt.NDArray[np.int64]
Values: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

LONG_AGO_MS: Final = -(2**62)
"""Earlier than any sample."""

_NONE: Final = -1
_FULL: Final = -2
_FIRST_CAPACITY: Final = 64


class Column:
    """One figure, or ``width`` of them, for each of any number of entries; a new entry holds ``fill``."""

    def __init__(self, fill: float, dtype: type[Any], width: int | None = None) -> None:
        self._fill = fill
        self._tail = () if width is None else (width,)
        self.data: npt.NDArray[Any] = np.full((0, *self._tail), fill, dtype=dtype)

    def ensure(self, count: int) -> None:
        """Have room for so many entries at least."""
        if count > len(self.data):
            capacity = max(count, 2 * len(self.data), _FIRST_CAPACITY)
            grown = np.full((capacity, *self._tail), self._fill, dtype=self.data.dtype)
            grown[: len(self.data)] = self.data
            self.data = grown

    def reset(self, entries: Any) -> None:
        """Forget what is known of entries."""
        self.data[entries] = self._fill


@contextmanager
def learning(undo: list[Callable[[], None]], columns: Sequence[Column], slots: Rows) -> Iterator[None]:
    """Add what takes back all changes that are made to slots inside; the first column holds times.

    A slot that has learnt from a later sample since is left as it is.
    """
    before = [column.data[slots] for column in columns]
    yield
    after_ms = columns[0].data[slots]

    def take_back() -> None:
        is_same = columns[0].data[slots] == after_ms
        for column, values in zip(columns, before, strict=True):
            column.data[slots[is_same]] = values[is_same]

    undo.append(take_back)


class Slots:
    """The rows that one rule is for, numbered densely, with the columns that it keeps for them.

    Numbers of rows that were forgotten are used again. Rows beyond ``max_count`` get none.
    """

    def __init__(
        self, matchers: Sequence[Matcher], columns: Iterable[Column] = (), max_count: int | None = None
    ) -> None:
        self._matchers = matchers
        self._columns = tuple(columns)
        self._max_count = max_count
        self._slot_of = Column(_NONE, np.int64)
        self._free: list[int] = []
        self._next = 0
        self._is_full = False

    def __len__(self) -> int:
        """How many rows have a number."""
        return self._next - len(self._free)

    def admit(self, row: int, labels: Labels, *, is_free: bool = True) -> bool:
        """Take a new row if the rule is for it; ``is_free`` says that no other rule came first."""
        self._slot_of.ensure(row + 1)
        if not is_free or labels.metric_name in UNTOUCHED or not satisfies(labels, self._matchers):
            return False
        self._slot_of.data[row] = self._take()
        return True

    def of(self, rows: Rows) -> Rows:
        """The numbers of rows; below 0 where there is none."""
        slots: Rows = self._slot_of.data[rows]
        return slots

    def forget(self, rows: Rows) -> None:
        """Give the numbers of rows back."""
        slots = self._slot_of.data[rows]
        self._free += slots[slots >= 0].tolist()
        self._slot_of.reset(rows)

    def refused(self, rows: Rows) -> int:
        """How many of some rows are beyond ``max_count``."""
        return int(np.count_nonzero(self.of(rows) == _FULL)) if self._is_full else 0

    def _take(self) -> int:
        if not self._free and self._next == self._max_count:
            self._is_full = True
            return _FULL
        if self._free:
            slot = self._free.pop()
            for column in self._columns:
                column.reset(slot)
            return slot
        self._next += 1
        for column in self._columns:
            column.ensure(self._next)
        return self._next - 1
