"""What a query may cost, and how a running one is stopped."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import NotQuickError, QueryCancelledError, QueryLimitError

QUICK_S: Final = 0.005
"""As long as the interpreter itself lets one thread run while others wait."""


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
    """One query's account; every method raises when it is overdrawn, late or cancelled.

    With ``quickly`` it is late after :data:`QUICK_S` of a processor's time, and when it would wait for a
    disk or a network.
    """

    limits: QueryLimits
    cancelled: threading.Event | None = None
    quickly: bool = False
    stats: QueryStats = field(default_factory=QueryStats)
    started_s: float = field(default_factory=time.monotonic)
    thread_started_s: float = field(default_factory=time.thread_time)

    def check(self) -> None:
        """Stop a query that was cancelled or has run out of time."""
        if self.cancelled is not None and self.cancelled.is_set():
            raise QueryCancelledError("query was canceled in expression evaluation")
        if self.quickly and time.thread_time() - self.thread_started_s > QUICK_S:
            raise NotQuickError(f"the query takes longer than {QUICK_S:g} s")
        if time.monotonic() - self.started_s > self.limits.timeout_s:
            raise QueryLimitError(
                f"query timed out in expression evaluation: it may take {self.limits.timeout_s:g} s (timeout)"
            )

    def wait(self) -> None:
        """Stop a query that is to be quick and would wait now."""
        if self.quickly:
            raise NotQuickError("the query reads samples that are not in memory")

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
