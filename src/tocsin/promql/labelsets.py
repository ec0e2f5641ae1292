"""The label sets of a vector, with everything derived from them computed once and only when asked for.

Selections return the same sequence of labels again and again, so what is derived from one - the
sets without metric name, groups, sort order - is kept with it: a repeated query over thousands of
series runs without a loop over them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tocsin.model import METRIC_NAME, Labels
from tocsin.promql.ast import Grouping

_NAME_ONLY = frozenset({METRIC_NAME})


class Partition:
    """Series in ``count`` groups: ``ids[i]`` is the group of series ``i``."""

    def __init__(self, ids: npt.NDArray[np.int64], count: int) -> None:
        self.ids = ids
        self.count = count

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """The series sorted by group, otherwise in their order."""
        return np.argsort(self.ids, kind="stable")

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """How many series each group has."""
        return np.bincount(self.ids, minlength=self.count)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each group begins in :attr:`order`."""
        return np.concatenate(([0], np.cumsum(self.sizes)[:-1])).astype(np.int64)

    @cached_property
    def by_size(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """The groups of each size: which these are ``(k,)``, and the series of each ``(k, size)``.

        Groups of one size can be reduced together, which is much faster than one after the other.
        """
        found = []
        for size in np.unique(self.sizes[self.sizes > 0]).tolist():
            groups = np.flatnonzero(self.sizes == size)
            found.append((groups, self.order[self.starts[groups][:, None] + np.arange(size)]))
        return found

    def members(self) -> list[npt.NDArray[np.int64]]:
        """The series of each group."""
        return np.split(self.order, self.starts[1:])


class Groups(Partition):
    """Series in groups of which each has some labels in common."""

    def __init__(self, ids: npt.NDArray[np.int64], labels: LabelSets) -> None:
        super().__init__(ids, len(labels))
        self.labels = labels


class LabelSets:
    """An immutable list of label sets; see the module for what is kept with it."""

    def __init__(self, sets: Sequence[Labels] | None = None, *, distinct: bool | None = None) -> None:
        self._sets = sets
        self._make: Callable[[], Sequence[Labels]] = tuple
        self._size = 0 if sets is None else len(sets)
        self._source: LabelSets | None = None
        self._distinct = distinct
        self._groups: dict[Grouping, Groups] = {}

    @classmethod
    def _derived(
        cls,
        size: int,
        make: Callable[[], Sequence[Labels]],
        *,
        distinct: bool | None,
        source: LabelSets | None = None,
    ) -> LabelSets:
        derived = cls(distinct=distinct)
        derived._size = size
        derived._make = make
        derived._source = source
        return derived

    def __len__(self) -> int:
        return self._size

    @property
    def sets(self) -> Sequence[Labels]:
        """The label sets themselves."""
        if self._sets is None:
            self._sets = self._make()
        return self._sets

    @cached_property
    def metric_names(self) -> frozenset[str]:
        """The metric names that occur."""
        if self._source is not None:
            return frozenset({""})
        return frozenset(labels.metric_name for labels in self.sets)

    @property
    def distinct(self) -> bool:
        """Whether no label set occurs twice."""
        if self._distinct is None:
            self._distinct = len(set(self.sets)) == self._size
        return self._distinct

    @cached_property
    def nameless(self) -> LabelSets:
        """The same sets without their metric names."""
        one_name = len(self.metric_names) <= 1
        return LabelSets._derived(
            self._size,
            lambda: [labels.drop(_NAME_ONLY) for labels in self.sets],
            distinct=self._distinct if one_name else None,
            source=self,
        )

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """The permutation that sorts the sets."""
        keys = [labels.pairs for labels in self.sets]
        return np.array(sorted(range(self._size), key=keys.__getitem__), dtype=np.int64)

    def grouped(self, grouping: Grouping) -> Groups:
        """Partition by the labels that the grouping keeps."""
        if self._source is not None and (grouping.without or METRIC_NAME not in grouping.names):
            return self._source.grouped(grouping)
        groups = self._groups.get(grouping)
        if groups is None:
            groups = self._groups[grouping] = self._group(grouping)
        return groups

    def _group(self, grouping: Grouping) -> Groups:
        if not grouping.names and not grouping.without:
            count = min(1, self._size)
            return Groups(np.zeros(self._size, dtype=np.int64), LabelSets([Labels()] * count, distinct=True))
        names = grouping.names | _NAME_ONLY if grouping.without else grouping.names
        index_of: dict[tuple[tuple[str, str], ...], int] = {}
        ids = [
            index_of.setdefault(
                tuple([pair for pair in labels.pairs if (pair[0] in names) is not grouping.without]),
                len(index_of),
            )
            for labels in self.sets
        ]
        common = [Labels.from_sorted(pairs) for pairs in index_of]
        return Groups(np.array(ids, dtype=np.int64), LabelSets(common, distinct=True))

    def take(self, rows: npt.NDArray[np.int64]) -> LabelSets:
        """Some of the sets, in the order given."""
        return LabelSets._derived(
            len(rows),
            lambda: [self.sets[row] for row in rows.tolist()],
            distinct=True if self._distinct else None,
        )

    def relabelled(self, change: Callable[[Labels], Labels]) -> LabelSets:
        """Every set changed."""
        return LabelSets([change(labels) for labels in self.sets])

    @staticmethod
    def concatenated(parts: Sequence[LabelSets], *, distinct: bool | None = None) -> LabelSets:
        """All sets of several lists."""
        if len(parts) == 1:
            return parts[0]
        return LabelSets._derived(
            sum(map(len, parts)),
            lambda: [labels for part in parts for labels in part.sets],
            distinct=distinct,
        )


class LabelSetsCache:
    """Finds the :class:`LabelSets` of a sequence that a store has handed out before."""

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[tuple[int, ...], tuple[tuple[Sequence[Labels], ...], LabelSets]] = (
            OrderedDict()
        )
        self._lock = threading.Lock()

    def of(self, sequences: Sequence[Sequence[Labels]]) -> LabelSets:
        """The label sets of distinct series, given as one or more sequences."""
        # Keeping the sequences alive is what makes their identities safe as keys.
        key = tuple(part for sequence in sequences for part in (id(sequence), len(sequence)))
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                return entry[1]
            parts = [LabelSets(sequence, distinct=True) for sequence in sequences]
            found = LabelSets.concatenated(parts, distinct=True)
            self._entries[key] = (tuple(sequences), found)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
            return found
