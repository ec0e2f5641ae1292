"""Range vectors over summaries of samples that are not kept any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tocsin.model import Summaries
from tocsin.promql.limits import Budget
from tocsin.promql.values import Floats, Ints
from tocsin.promql.windows import CHUNK_VALUES, Kernel, Windows


@dataclass(frozen=True)
class SummaryWindows:
    """The windows of all steps over summaries of one block of series.

    Windows are made of whole intervals. ``fields`` holds the windows over each field of the summaries; they
    all have the same bounds. ``asked_ms`` is the range that was asked for, of which the windows are the next
    multiple of an interval.
    """

    fields: Mapping[str, Windows]
    asked_ms: int
    times_ms: Ints
    budget: Budget

    @classmethod
    def over(
        cls,
        summaries: Summaries,
        ends_ms: Ints,
        range_ms: int,
        times_ms: Ints,
        *,
        asked_ms: int,
        budget: Budget,
    ) -> SummaryWindows:
        """The windows of a length that end at the times given."""
        fields = {
            name: Windows.over(summaries.column(name), ends_ms, range_ms, times_ms, budget)
            for name in summaries.fields
        }
        return cls(fields, asked_ms, times_ms, budget)

    def __getitem__(self, field: str) -> Windows:
        """The windows over one field."""
        return self.fields[field]

    @property
    def shape(self) -> tuple[int, int]:
        """Series and steps."""
        return self["count"].shape

    @property
    def seconds(self) -> float:
        """How long each window is."""
        return self["count"].range_ms / 1000

    @property
    def asked_seconds(self) -> float:
        """How long each window was asked to be."""
        return self.asked_ms / 1000

    @cached_property
    def counts(self) -> Ints:
        """How many samples each window had, shape ``(n, k)``."""
        counts = self["count"]
        running = np.zeros((len(counts.values), counts.values.shape[1] + 1))
        np.cumsum(np.nan_to_num(counts.values), axis=1, out=running[:, 1:])
        first, stop = (np.broadcast_to(edge, self.shape) for edge in (counts.first, counts.stop))
        found = np.take_along_axis(running, stop, axis=1) - np.take_along_axis(running, first, axis=1)
        counted: Ints = found.astype(np.int64)
        return counted

    def rows(self, rows: slice) -> SummaryWindows:
        """Some of the series."""
        fields = {name: windows.rows(rows) for name, windows in self.fields.items()}
        return SummaryWindows(fields, self.asked_ms, self.times_ms, self.budget)

    def pieces(
        self, kernel: Kernel, scalars: list[Floats], into: Floats | None
    ) -> Iterator[tuple[slice, Floats]]:
        """Apply a kernel to all windows, as :meth:`Windows.pieces` does."""
        series, steps = self.shape
        chunk = max(1, CHUNK_VALUES // max(steps, self["count"].values.shape[1], 1))
        for start in range(0, series, chunk):
            self.budget.check()
            rows = slice(start, min(start + chunk, series))
            with np.errstate(all="ignore"):
                found = kernel(self.rows(rows), *scalars)
            if into is not None:
                into[rows] = found
            yield rows, found
