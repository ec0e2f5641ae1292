"""Requests on their way to counters: taken from any thread, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.batch import Batch, Digester, Record
from tocsin.sdk.inference.bounded import OTHER, Bounded
from tocsin.sdk.inference.numbers import given, numbers
from tocsin.sdk.inference.tally import Tally
from tocsin.sdk.inference.window import QUANTILES, Window
from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row

INTAKE_LIMIT: Final = 4096
"""Requests taken since the sender last looked, from which on the request itself counts them."""

_INTAKE_MOST: Final = 32 * INTAKE_LIMIT
"""Requests taken while another thread was counting, from which on the newest are dropped."""

MOST_ROUTES: Final = 100

_route = itemgetter(0)


class Ledger:
    """Counts what is appended to ``intake``, which needs no lock, in the thread that looks.

    To a sender it is an outbox without rows: all that it tells are the newest values of its series.
    """

    waiting = 0

    def __init__(
        self,
        guard: Guard,
        latency_limits_s: Sequence[float],
        monotonic_s: Callable[[], float],
        *,
        with_token_histograms: bool = False,
    ) -> None:
        self.intake: list[Record] = []
        self.asides: list[tuple[str, Any]] = []
        self.dropped = 0
        self._guard = guard
        self._limits_s = latency_limits_s
        self._monotonic_s = monotonic_s
        self._with_token_histograms = with_token_histograms
        self._lock = threading.Lock()
        self._digester = Digester(guard)
        self._routes = Bounded(MOST_ROUTES, guard, "routes")
        self._tallies: dict[str | None, Tally] = {}
        self._window = Window(monotonic_s())

    def relieve(self) -> None:
        """Make room in a full intake; never waits, so that a signal handler may record as well."""
        if self._lock.acquire(blocking=False):
            try:
                self._absorb()
            finally:
                self._lock.release()
        elif len(self.intake) > _INTAKE_MOST:
            self.intake.pop()
            self.dropped += 1

    def put_aside(self, kind: str, value: Any) -> None:
        """Take the size of a ``batch``, or the hits and misses of a ``cache``."""
        if len(self.asides) < _INTAKE_MOST:
            self.asides.append((kind, value))
        else:
            self.dropped += 1

    def drain(self, now_ns: int, *, is_end: bool = False) -> None:
        """Count what was taken."""
        with self._lock:
            self._absorb()

    def take_rows(self, most_samples: int) -> list[Row]:
        """There are no rows."""
        return []

    def give_back(self, rows: list[Row]) -> None:
        """There are no rows."""

    def drop(self, rows: list[Row]) -> None:
        """There are no rows."""

    def readings(self) -> list[Reading]:
        """Everything that was counted, and quantiles and rates of the newest minute."""
        with self._lock:
            self._absorb()
            found = [reading for tally in self._tallies.values() for reading in tally.readings()]
            found += self._recent()
        found.append(Reading("inference_records_dropped_total", float(self.dropped)))
        return found

    def token_readings(self, name: str, label: str) -> list[Reading]:
        """How many tokens requests had, as histograms."""
        with self._lock:
            return [each for tally in self._tallies.values() for each in tally.token_readings(name, label)]

    def latency_metrics(self) -> dict[str, float]:
        """What is known of the newest minute, by name."""
        with self._lock:
            self._absorb()
            now_s = self._monotonic_s()
            known = {**self._window.rates(now_s), **self._window.shares(now_s)}
            mean_s = self._window.mean_s(now_s)
            if mean_s is not None:
                known["latency_mean_seconds"] = mean_s
            for kind, values in self._window.quantiles(now_s):
                for quantile, value in zip(QUANTILES, values, strict=True):
                    known[f"{kind}_p{round(quantile * 100)}_seconds"] = value
            return known

    def _recent(self) -> Iterator[Reading]:
        now_s = self._monotonic_s()
        for name, value in {**self._window.rates(now_s), **self._window.shares(now_s)}.items():
            if name != "error_ratio":
                yield Reading(f"inference_{name}", value)
        for kind, values in self._window.quantiles(now_s):
            for quantile, value in zip(QUANTILES, values, strict=True):
                own = (("quantile", repr(quantile)),)
                yield Reading(f"inference_recent_{kind}_seconds", value, own)

    def _absorb(self) -> None:
        count = len(self.intake)
        if count:
            # Other threads may append meanwhile; they do so behind these.
            records = self.intake[:count]
            del self.intake[:count]
            for route, its_records in self._by_route(records).items():
                with self._guard.around("records", "some requests are not counted"):
                    self._take(route, self._digester.digest(its_records))
        asides = self.asides[: len(self.asides)]
        del self.asides[: len(asides)]
        for kind, value in asides:
            with self._guard.around("asides", "a batch or a look into the cache is not counted"):
                self._take_aside(kind, value)

    def _by_route(self, records: list[Record]) -> Mapping[str | None, list[Record]]:
        routes = list(map(_route, records))
        if routes.count(None) == len(routes):
            return {None: records}
        groups: dict[str | None, list[Record]] = {}
        for route, record in zip(routes, records, strict=True):
            groups.setdefault(self._known_route(route), []).append(record)
        return groups

    def _known_route(self, route: Any) -> str | None:
        if route is None:
            return None
        with self._guard.around("route", "a route cannot be read"):
            return self._routes[str(route)]
        return OTHER

    def _take(self, route: str | None, batch: Batch) -> None:
        self._tally(route).take(batch)
        self._window.take(batch, self._monotonic_s())

    def _take_aside(self, kind: str, value: Any) -> None:
        tally = self._tally(None)
        if kind == "batch":
            tally.take(Batch(sizes=list(given(numbers([value], "batch size", self._guard)))))
        else:
            hits, misses = value
            tally.count_cache(int(hits) + int(misses), int(hits))

    def _tally(self, route: str | None) -> Tally:
        if route not in self._tallies:
            self._tallies[route] = Tally(
                route, self._limits_s, with_token_histograms=self._with_token_histograms
            )
        return self._tallies[route]
