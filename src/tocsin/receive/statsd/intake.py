"""Datagrams into series, at the price of a dictionary look-up for a line whose like was seen before.

The first line ``name:1|c|#site:a`` is parsed, mapped and checked. What it led to is kept by all of it but
the number, so that the next one, ``name:7|c|#site:a``, only adds 7. Everything that is not of this plain
form goes the long way each time, and so does everything with a fault, so that it is counted.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias, TypeVar

from tocsin.config.statsd import TagFormat
from tocsin.receive.statsd.line import Event, ParsedLine, parse_line
from tocsin.receive.statsd.router import Route, Router, counted
from tocsin.receive.statsd.series import AnySeries, Counter, Gauge, Histogram, Observer, Summary

S = TypeVar("S", bound=AnySeries | None)

_Counts: TypeAlias = Tally[tuple[str, str]]

_NUMBER_BYTES: Final = b"0123456789+-.eE"
_SIGNS: Final = frozenset(b"+-")

MAX_HEADS: Final = 100_000
"""Lines that are remembered; beyond it all are forgotten and learned again."""


class _Head(ABC, Generic[S]):
    """What a line leads to but for its number; ``take`` raises ValueError when that needs a closer look."""

    __slots__ = ("count", "counted", "divisor", "scale", "series", "updates")

    def __init__(self, series: S, event: Event, route: Route) -> None:
        self.series = series
        self.divisor = event.divisor
        self.scale = route.scale
        self.count = event.count
        self.counted = counted(event, route)
        self.updates = 0

    @abstractmethod
    def take(self, number: bytes) -> None:
        """Take the number of one line."""


class _NoHead(_Head[None]):
    """For lines that are left out."""

    __slots__ = ()

    def take(self, number: bytes) -> None:
        _finite(float(number))
        self.updates += 1


class _CounterHead(_Head[Counter]):
    __slots__ = ()

    def take(self, number: bytes) -> None:
        value = float(number) / self.divisor * self.scale
        if not 0 <= value < math.inf:
            raise ValueError(value)
        self.series.value += value
        self.updates += 1


class _GaugeHead(_Head[Gauge]):
    __slots__ = ()

    def take(self, number: bytes) -> None:
        value = _finite(float(number) * self.scale)
        if number[0] in _SIGNS:
            value += self.series.value
        self.series.value = value
        self.updates += 1


class _ObserverHead(_Head[Observer]):
    __slots__ = ()

    def take(self, number: bytes) -> None:
        self.series.observe(_finite(float(number) / self.divisor * self.scale), self.count)
        self.updates += 1


def _finite(value: float) -> float:
    if not -math.inf < value < math.inf:
        raise ValueError(value)
    return value


class Intake:
    """Takes datagrams and pieces of streams; ``now_ms`` tells the time."""

    def __init__(
        self,
        router: Router,
        formats: frozenset[TagFormat],
        now_ms: Callable[[], int],
        *,
        max_heads: int = MAX_HEADS,
    ) -> None:
        self._router = router
        self._formats = formats
        self._now_ms = now_ms
        self._max_heads = max_heads
        self._heads: dict[tuple[bytes, bytes], _Head[Any]] = {}
        self._tally: _Counts = Tally()
        self._line_count = 0

    def take(self, data: bytes) -> None:
        """Take whole lines; the last one may lack its newline."""
        heads = self._heads
        line_count = 0
        for line in data.split(b"\n"):
            name, _, rest = line.partition(b":")
            number, _, tail = rest.partition(b"|")
            head = heads.get((name, tail))
            line_count += 1
            # A number of other characters may still be one in Python and none in StatsD.
            if head is None or number.translate(None, _NUMBER_BYTES):
                line_count -= self._take_slowly(line, name, number, tail)
                continue
            try:
                head.take(number)
            except ValueError:
                self._take_slowly(line, name, number, tail)
        self._line_count += line_count

    def _take_slowly(self, line: bytes, name: bytes, number: bytes, tail: bytes) -> bool:
        """Read a line from scratch; says whether it was empty."""
        written = line.removesuffix(b"\r")
        if not written:
            return True
        parsed = parse_line(written, self._formats)
        for reason in parsed.faults:
            self._tally["errors", reason] += 1
        routes = [self._router.take(event, self._tally, self._now_ms()) for event in parsed.events]
        if _is_plain(parsed) and routes[0] and not number.translate(None, _NUMBER_BYTES):
            self._learn((name, tail), parsed.events[0], routes[0])
        return False

    def _learn(self, key: tuple[bytes, bytes], event: Event, route: Route) -> None:
        if len(self._heads) >= self._max_heads:
            self.forget()
        self._heads[key] = _head(event, route)

    def forget(self) -> None:
        """Learn every line anew, as after a change of the mappings."""
        self._note_updates()
        self._heads.clear()

    def forget_ended(self) -> None:
        """Let go of series that have ended; the next line makes a new one."""
        self._note_updates()
        for key in [key for key, head in self._heads.items() if head.series and head.series.is_ended]:
            del self._heads[key]

    def counts(self) -> _Counts:
        """What was counted since the last call; marks the series that had events since then."""
        self._note_updates()
        tally, self._tally = self._tally, Tally()
        if self._line_count:
            tally["lines", ""] = self._line_count
        self._line_count = 0
        return tally

    def _note_updates(self) -> None:
        sums: defaultdict[tuple[tuple[str, str], ...], int] = defaultdict(int)
        for head in self._heads.values():
            if head.updates:
                sums[head.counted] += head.updates * head.count
                head.updates = 0
                if head.series is not None:
                    head.series.is_fresh = True
        for names, count in sums.items():
            for name in names:
                self._tally[name] += count


def _is_plain(parsed: ParsedLine) -> bool:
    """Whether a line is one event without a fault, so that it is the same again but for its number."""
    return len(parsed.events) == 1 == parsed.sample_count and not parsed.faults and not parsed.is_timed


def _head(event: Event, route: Route) -> _Head[Any]:
    match route.series:
        case Counter() as counter:
            return _CounterHead(counter, event, route)
        case Gauge() as gauge:
            return _GaugeHead(gauge, event, route)
        case Histogram() | Summary() as observer:
            return _ObserverHead(observer, event, route)
        case None:
            return _NoHead(None, event, route)
