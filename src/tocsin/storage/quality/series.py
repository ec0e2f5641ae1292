"""From the series of a batch to numbers, under which the parts know what they know of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np

from tocsin.model import Labels
from tocsin.storage.quality.columns import LONG_AGO_MS, Column, Mask, Rows

IDLE_MS: Final = 3_600_000
"""A series without a sample for so long is forgotten."""

_SWEEP_EVERY_MS: Final = 60_000
_MAX_FORGOTTEN: Final = 10_000
_EVICTED_SHARE: Final = 8
_MAX_REMEMBERED: Final = 1_000_000
_MAX_KEYS_OF_A_ROW: Final = 1000

_Key: TypeAlias = tuple[int, Labels, Labels]


class Member(Protocol):
    """Whoever keeps something for each row."""

    def admit(self, row: int, labels: Labels) -> None:
        """Get to know a new row."""
        ...

    def forget(self, rows: Rows) -> None:
        """Forget rows, whose numbers will be used again."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """A sequence of series: the row of each, what it is called in the store, and whether that is new.

    ``changed`` is None when all names are as they came; ``is_distinct`` says that no row stands twice.
    """

    series: list[Labels]
    rows: Rows
    names: Sequence[Labels]
    changed: Mask | None
    is_distinct: bool


class SeriesTable:
    """Numbers series by the name that they will have in the store.

    What arrives again and again in the same order costs one comparison of references a series. Series that
    no sample came for in an hour are forgotten, and the longest idle ones where there would be more
    than ``max_series``.
    """

    def __init__(self, rename: Callable[[Labels], Labels], member: Member, max_series: int) -> None:
        self._rename = rename
        self._member = member
        self._max_series = max_series
        # The number of a row, times two; plus one when its name is another than that of the key.
        self._code_of: dict[Labels, int] = {}
        self._code_before: dict[Labels, int] = {}
        self._row_of_name: dict[Labels, int] = {}
        self._names: list[Labels] = []
        self._keys: list[list[Labels]] = []
        self._free: list[int] = []
        self._seen_ms = Column(LONG_AGO_MS, np.int64)
        self._next_sweep_ms = LONG_AGO_MS
        self._layouts: OrderedDict[_Key, Layout] = OrderedDict()
        self._remembered = 0
        self.abandoned: list[Labels] = []

    def __len__(self) -> int:
        """How many series are known."""
        return len(self._row_of_name)

    def layout(self, series: Sequence[Labels], now_ms: int) -> Layout:
        """Find or number the series of a batch, of which there is one at least."""
        self._forget_idle(now_ms)
        key = len(series), series[0], series[-1]
        known = self._layouts.get(key)
        listed = series if isinstance(series, list) else list(series)
        if known is None or known.series != listed:
            known = self._remember(key, self._number(list(listed)))
        self._layouts.move_to_end(key)
        self._seen_ms.data[known.rows] = now_ms
        return known

    def rename_all(self) -> None:
        """Ask for the name of each series again when it next arrives."""
        self._code_before, self._code_of = self._code_of, {}
        self._forget_layouts()

    def take_abandoned(self) -> list[Labels]:
        """The names under which nothing arrives any more because the series got another one."""
        abandoned, self.abandoned = self.abandoned, []
        return abandoned

    def _number(self, series: list[Labels]) -> Layout:
        count = len(series)
        try:
            codes = np.fromiter(map(self._code_of.__getitem__, series), dtype=np.int64, count=count)
        except KeyError:
            self._make_room(series)
            codes = np.fromiter(map(self._code, series), dtype=np.int64, count=count)
        rows, changed = codes >> 1, (codes & 1).astype(np.bool_)
        if not changed.any():
            return Layout(series, rows, series, None, _is_distinct(rows))
        names = [self._names[row] for row in rows.tolist()]
        return Layout(series, rows, names, changed, _is_distinct(rows))

    def _code(self, key: Labels) -> int:
        code = self._code_of.get(key)
        return self._add(key) if code is None else code

    def _add(self, key: Labels) -> int:
        name = self._rename(key)
        row = self._row_of_name.get(name)
        if row is None:
            row = self._take_row(name)
        code = self._code_of[key] = 2 * row + (name != key)
        before = self._code_before.pop(key, None)
        if before == code:
            return code
        if before is not None:
            self._leave(before >> 1, key)
        self._keys[row].append(key)
        if len(self._keys[row]) > _MAX_KEYS_OF_A_ROW:
            self._unlink(self._keys[row].pop(0))
        return code

    def _unlink(self, key: Labels) -> None:
        self._code_of.pop(key, None)
        self._code_before.pop(key, None)

    def _leave(self, row: int, key: Labels) -> None:
        keys = self._keys[row]
        if key in keys:
            keys.remove(key)
        if not keys:
            self.abandoned.append(self._names[row])

    def _take_row(self, name: Labels) -> int:
        row = self._free.pop() if self._free else len(self._names)
        if row == len(self._names):
            self._names.append(name)
            self._keys.append([])
            self._seen_ms.ensure(row + 1)
        self._names[row] = name
        self._row_of_name[name] = row
        self._member.admit(row, name)
        return row

    def _forget_idle(self, now_ms: int) -> None:
        if now_ms < self._next_sweep_ms:
            return
        seen_ms = self._seen_ms.data[: len(self._names)]
        idle = np.flatnonzero((seen_ms < now_ms - IDLE_MS) & (seen_ms > LONG_AGO_MS))
        self._forget(idle[:_MAX_FORGOTTEN])
        self._next_sweep_ms = now_ms + (_SWEEP_EVERY_MS if len(idle) <= _MAX_FORGOTTEN else 0)

    def _make_room(self, series: Iterable[Labels]) -> None:
        """Forget the longest idle rows where the new series of a batch would be too many."""
        new = sum(key not in self._code_of for key in series)
        excess = len(self) + new - self._max_series
        if new and excess > 0:
            seen_ms = self._seen_ms.data[: len(self._names)]
            used = np.flatnonzero(seen_ms > LONG_AGO_MS)
            oldest = np.argsort(seen_ms[used], kind="stable")
            self._forget(used[oldest[: max(excess, len(self) // _EVICTED_SHARE)]])

    def _forget(self, rows: Rows) -> None:
        if not len(rows):
            return
        for row in rows.tolist():
            for key in self._keys[row]:
                self._unlink(key)
            self._keys[row] = []
            del self._row_of_name[self._names[row]]
            self._free.append(row)
        self._seen_ms.reset(rows)
        self._member.forget(rows)
        self._forget_layouts()

    def _remember(self, key: _Key, layout: Layout) -> Layout:
        before = self._layouts.pop(key, None)
        self._layouts[key] = layout
        self._remembered += len(layout.series) - (len(before.series) if before else 0)
        while self._remembered > _MAX_REMEMBERED and len(self._layouts) > 1:
            _, oldest = self._layouts.popitem(last=False)
            self._remembered -= len(oldest.series)
        return layout

    def _forget_layouts(self) -> None:
        self._layouts.clear()
        self._remembered = 0


def _is_distinct(rows: Rows) -> bool:
    return len(np.unique(rows)) == len(rows)
