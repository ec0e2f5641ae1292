"""Which series exist, and which of them satisfy a selector."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tocsin.model import Labels, Matcher

SeriesIds: TypeAlias = npt.NDArray[np.int64]

REFUSED: Final = -1
"""Stands for a series that would be one too many."""

_GONE: Final = Labels()
"""Stands in the place of a series that was removed."""

_CACHED_SELECTORS: Final = 1024
_CACHED_SEQUENCES: Final = 128


class SeriesIndex:
    """Series numbered from 0 in the order in which they were first seen; numbers are not used again.

    Not thread-safe: its owner serialises access.
    """

    def __init__(self) -> None:
        self._labels: list[Labels] = []
        self._ids: dict[Labels, int] = {}
        self._postings: dict[str, dict[str, list[int]]] = {}
        self._gone: SeriesIds = np.empty(0, dtype=np.int64)
        self._labels_of: OrderedDict[bytes, tuple[Labels, ...]] = OrderedDict()
        self._ids_of: OrderedDict[int, tuple[tuple[Labels, ...], SeriesIds]] = OrderedDict()
        self._matched: OrderedDict[tuple[Matcher, ...], tuple[int, SeriesIds]] = OrderedDict()

    def __len__(self) -> int:
        """How many numbers are taken, those of series that are gone included."""
        return len(self._labels)

    @property
    def series_count(self) -> int:
        """How many series there are."""
        return len(self._ids)

    def labels(self, series_id: int) -> Labels:
        """The label set of a series."""
        return self._labels[series_id]

    def labels_of(self, series_ids: SeriesIds) -> Sequence[Labels]:
        """The label sets of several series; asked again, the same object, so that readers can cache by it."""
        key = series_ids.tobytes()
        labels = self._labels_of.get(key)
        if labels is None:
            labels = self._labels_of[key] = tuple(self._labels[number] for number in series_ids.tolist())
        self._labels_of.move_to_end(key)
        if len(self._labels_of) > _CACHED_SEQUENCES:
            self._labels_of.popitem(last=False)
        return labels

    def ids(self, series: Sequence[Labels], limit: int | None = None) -> SeriesIds:
        """The numbers of label sets; those not seen before are added while there are less than ``limit``.

        :data:`REFUSED` stands for those that are not. A tuple that is given again, the same object, is not
        looked at again.
        """
        if isinstance(series, tuple):
            return self._ids_of_tuple(series, limit)
        return self._look_up(series, limit)

    def _ids_of_tuple(self, series: tuple[Labels, ...], limit: int | None) -> SeriesIds:
        known = self._ids_of.get(id(series))
        # Who holds the object keeps its address from being used for another.
        if known is not None and known[0] is series:
            self._ids_of.move_to_end(id(series))
            return known[1]
        found = self._look_up(series, limit)
        if not (found == REFUSED).any():
            self._ids_of[id(series)] = (series, found)
            if len(self._ids_of) > _CACHED_SEQUENCES:
                self._ids_of.popitem(last=False)
        return found

    def _look_up(self, series: Sequence[Labels], limit: int | None) -> SeriesIds:
        known = self._ids
        try:
            found = [known[labels] for labels in series]
        except KeyError:
            found = [known[labels] if labels in known else self._add(labels, limit) for labels in series]
        return np.array(found, dtype=np.int64)

    def _add(self, labels: Labels, limit: int | None) -> int:
        if limit is not None and len(self._ids) >= limit:
            return REFUSED
        series_id = len(self._labels)
        self._labels.append(labels)
        self._ids[labels] = series_id
        for name, value in labels.pairs:
            self._postings.setdefault(name, {}).setdefault(value, []).append(series_id)
        return series_id

    def load(self, series_ids: Sequence[int], series: Sequence[Labels]) -> None:
        """Take series with the numbers that they have, in ascending order; numbers left out are gone."""
        for series_id, labels in zip(series_ids, series, strict=True):
            gap = range(len(self._labels), series_id)
            self._labels += [_GONE] * len(gap)
            self._gone = np.concatenate([self._gone, np.arange(gap.start, gap.stop)])
            self._add(labels, None)

    def remove(self, series_ids: SeriesIds) -> None:
        """Forget series; what still holds their numbers finds no labels any more."""
        removed = set(series_ids.tolist())
        touched: set[tuple[str, str]] = set()
        for series_id in removed:
            labels = self._labels[series_id]
            touched.update(labels.pairs)
            del self._ids[labels]
            self._labels[series_id] = _GONE
        for name, value in touched:
            kept = [series_id for series_id in self._postings[name][value] if series_id not in removed]
            if kept:
                self._postings[name][value] = kept
            else:
                del self._postings[name][value]
        self._gone = np.union1d(self._gone, series_ids)
        self._matched.clear()
        self._labels_of.clear()
        self._ids_of.clear()

    def match(self, matchers: Sequence[Matcher]) -> SeriesIds:
        """The series that satisfy all matchers, in ascending order."""
        key = tuple(matchers)
        searched, series_ids = self._matched.get(key) or (0, None)
        if series_ids is None:
            series_ids = self._search(key)
        elif searched < len(self._labels):
            series_ids = np.concatenate([series_ids, self._scan(key, searched)])
        self._remember(key, series_ids)
        return series_ids

    def _remember(self, key: tuple[Matcher, ...], series_ids: SeriesIds) -> None:
        self._matched[key] = (len(self._labels), series_ids)
        self._matched.move_to_end(key)
        if len(self._matched) > _CACHED_SELECTORS:
            self._matched.popitem(last=False)

    def _scan(self, matchers: tuple[Matcher, ...], first: int) -> SeriesIds:
        """Test the series from ``first`` on one by one."""
        found = [
            series_id
            for series_id in range(first, len(self._labels))
            if satisfies(self._labels[series_id], matchers)
        ]
        return np.array(found, dtype=np.int64)

    def _search(self, matchers: tuple[Matcher, ...]) -> SeriesIds:
        """Intersect the postings of each matcher."""
        everything = np.arange(len(self._labels), dtype=np.int64)
        if len(self._gone):
            everything = np.setdiff1d(everything, self._gone, assume_unique=True)
        sets = (self._matching(matcher, everything) for matcher in matchers)
        return reduce(lambda left, right: np.intersect1d(left, right, assume_unique=True), sets, everything)

    def _matching(self, matcher: Matcher, everything: SeriesIds) -> SeriesIds:
        values = self._postings.get(matcher.name, {})
        if matcher.matches_empty:
            excluded = [ids for value, ids in values.items() if not matcher.matches(value)]
            return np.setdiff1d(everything, _union(excluded), assume_unique=True)
        return _union([ids for value, ids in values.items() if matcher.matches(value)])


def satisfies(labels: Labels, matchers: Iterable[Matcher]) -> bool:
    """Say whether a label set satisfies all matchers."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def _union(postings: list[list[int]]) -> SeriesIds:
    """Join disjoint ascending lists into one ascending array."""
    if not postings:
        return np.empty(0, dtype=np.int64)
    joined = np.concatenate([np.array(ids, dtype=np.int64) for ids in postings])
    joined.sort()
    return joined
