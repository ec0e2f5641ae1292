"""Tiers: how long samples are kept, and for how long summaries of which intervals are kept after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.model import format_duration_ms

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

_SPANS_MS: Final = (HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 5 * DAY_MS, 10 * DAY_MS)
_MIN_BLOCKS: Final = 7
"""How many blocks a tier has at least. A block goes as a whole, so rows are kept longer by up to one span;
but a series takes less room the more of its rows stand together."""

_FIRST_SPAN_MS: Final = 6 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Tier:
    """What is kept for one time: samples where ``resolution_ms`` is 0, else summaries of such intervals.

    A block of the tier holds ``span_ms`` in the end; blocks of ``first_span_ms`` are made first, and
    replaced by one when there are enough of them.
    """

    resolution_ms: int
    retention_ms: int
    span_ms: int
    first_span_ms: int

    @property
    def name(self) -> str:
        """``raw``, or how long the intervals are."""
        return format_duration_ms(self.resolution_ms) if self.resolution_ms else "raw"


@dataclass(frozen=True, slots=True)
class Tiers:
    """The samples, and their summaries from the finest to the coarsest.

    Everything that is removed, and everything that is summarised anew, is so in whole units of
    ``unit_ms``, which is a multiple of all resolutions.
    """

    raw: Tier
    summaries: tuple[Tier, ...]
    unit_ms: int

    @classmethod
    def of(cls, retention_ms: int, summaries: Sequence[tuple[int, int]] = ()) -> Tiers:
        """The tiers of a retention, and of pairs of resolution and retention in ascending order."""
        unit_ms = max([HOUR_MS, *(resolution_ms for resolution_ms, _ in summaries)])
        if any(unit_ms % resolution_ms for resolution_ms, _ in summaries):
            unit_ms = summaries[-1][0]
        return cls(
            _tier(0, retention_ms, unit_ms),
            tuple(_tier(*summary, unit_ms) for summary in summaries),
            unit_ms,
        )

    def __iter__(self) -> Iterator[Tier]:
        return iter((self.raw, *self.summaries))


def _tier(resolution_ms: int, retention_ms: int, unit_ms: int) -> Tier:
    fitting = [span for span in _SPANS_MS if span % unit_ms == 0 and span * _MIN_BLOCKS <= retention_ms]
    span_ms = max(fitting, default=unit_ms)
    first_span_ms = (
        _FIRST_SPAN_MS if span_ms % _FIRST_SPAN_MS == 0 and _FIRST_SPAN_MS % unit_ms == 0 else span_ms
    )
    return Tier(resolution_ms, retention_ms, span_ms, first_span_ms)


def ceil_to(time_ms: int, unit_ms: int) -> int:
    """The first multiple of a unit that is not before a time."""
    return -(-time_ms // unit_ms) * unit_ms


def floor_to(time_ms: int, unit_ms: int) -> int:
    """The last multiple of a unit that is not after a time."""
    return time_ms // unit_ms * unit_ms
