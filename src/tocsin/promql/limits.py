"""What a query may cost, and how a running one is stopped."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from tocsin.errors import QueryCancelledError, QueryLimitError


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """The most that one query may take.

    ``max_samples`` bounds the samples read and the values of any intermediate result,
    ``max_series`` the series selected, ``timeout_s`` the seconds of evaluation.
    """

    max_samples: int = 50_000_000
    max_series: int = 1_000_000
    timeout_s: float = 120.0


@dataclass(slots=True)
class QueryStats:
    """What a query took: samples and series read from the store, and seconds."""

    samples: int = 0
    series: int = 0
    duration_s: float = 0.0


@dataclass(slots=True)
class Budget:
    """One query's account; every method raises when it is overdrawn, late or cancelled."""

    limits: QueryLimits
    cancelled: threading.Event | None = None
    stats: QueryStats = field(default_factory=QueryStats)
    started_s: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Stop a query that was cancelled or has run out of time."""
        if self.cancelled is not None and self.cancelled.is_set():
            raise QueryCancelledError("query was canceled in expression evaluation")
        if time.monotonic() - self.started_s > self.limits.timeout_s:
            raise QueryLimitError(
                f"query timed out in expression evaluation: it may take {self.limits.timeout_s:g} s (timeout)"
            )

    def read(self, *, series: int, samples: int) -> None:
        """Account for what a selector brought."""
        self.stats.series += series
        self.stats.samples += samples
        if self.stats.series > self.limits.max_series:
            raise QueryLimitError(
                f"query selects {self.stats.series} series, allowed are {self.limits.max_series}; "
                "narrow the selectors"
            )
        self.hold(self.stats.samples)

    def hold(self, values: int) -> None:
        """Stop a query whose next result would not fit."""
        if values > self.limits.max_samples:
            raise QueryLimitError(
                "query processing would load too many samples into memory in query execution: "
                f"{values}, allowed are {self.limits.max_samples}"
            )
        self.check()
