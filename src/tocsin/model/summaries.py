"""Summaries of samples: what is kept of them when the samples themselves are too old to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.model.columns import Columns
from tocsin.model.labels import Labels

SUMMARY_FIELDS: Final = (
    "count",
    "sum",
    "min",
    "max",
    "first",
    "last",
    "first_ms",
    "last_ms",
    "increase",
    "deviations",
    "ended",
)
"""What is known of the samples of one series in an interval.

``first`` and ``last`` are values, ``first_ms`` and ``last_ms`` their times. ``increase`` is what a counter
gained from the first to the last, over all resets. ``deviations`` is the sum of the squared distances from
the mean. ``ended`` is 1 where a staleness marker came last; markers count for nothing else.
"""


@dataclass(frozen=True, slots=True)
class Summaries:
    """Summaries of ``n`` series, one for each interval of time that has a sample.

    The interval that ends at ``e`` holds the samples with ``e - resolution < t <= e``, as windows of PromQL
    do, so that windows whose bounds are multiples of the resolution are made of whole intervals. As in
    :class:`Columns`, ``ends_ms`` has shape ``(t,)`` where all series have the same intervals, else
    ``(n, t)`` with ``lengths``. Each of ``fields`` (of :data:`SUMMARY_FIELDS`) has shape ``(n, t)``.
    """

    labels: Sequence[Labels]
    ends_ms: npt.NDArray[np.int64]
    fields: Mapping[str, npt.NDArray[np.float64]]
    lengths: npt.NDArray[np.int64] | None = None

    def column(self, field: str) -> Columns:
        """One field as samples at the ends of the intervals."""
        return Columns(self.labels, self.ends_ms, self.fields[field], self.lengths, has_stale=False)
