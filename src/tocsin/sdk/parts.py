"""Where the time of a step goes: waiting for data, computing, the optimiser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock
from time import perf_counter
from types import TracebackType
from typing import Final, Generic, TypeVar, cast

from tocsin.sdk.guard import Guard
from tocsin.sdk.pace import Pace
from tocsin.sdk.readings import Reading

MOST_PARTS: Final = 20
"""Different parts one run may have."""

Item = TypeVar("Item")


class Parts:
    """Seconds spent in each named part since the run began, of one thread or several.

    >>> parts = Parts(Guard("TrainingMonitor"))
    >>> with parts["forward_backward"]:
    ...     pass
    >>> list(parts.batches([1, 2]))
    [1, 2]
    >>> list(parts.seconds())
    ['forward_backward', 'data']
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._spent_s: dict[str, float] = {}
        self._paces: dict[str, Pace] = {}
        self._reading = Lock()

    def __getitem__(self, name: str) -> Part:
        """A block whose time counts for this part; blocks may stand inside each other."""
        return Part(self, str(name))

    def batches(self, source: Iterable[Item]) -> Batches[Item]:
        """The items of ``source``; the time that it takes to give them counts for the part ``data``."""
        return Batches(self, source)

    def add(self, name: str, seconds: float) -> None:
        """Count seconds for a part."""
        spent_s = self._spent_s
        if name not in spent_s and len(spent_s) >= MOST_PARTS:
            self._guard.tell_once(
                "parts", f'more than {MOST_PARTS} parts of a step, "{name}" and later ones are left out'
            )
            return
        spent_s[name] = spent_s.get(name, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """The seconds of every part so far."""
        return self._spent_s.copy()

    def readings(self, now_ns: int) -> list[Reading]:
        """The seconds of every part so far, and its share of the newest seconds in which somebody asked."""
        readings = []
        with self._reading:
            for name, seconds in self.seconds().items():
                labels = (("part", name),)
                readings.append(Reading("training_part_seconds_total", seconds, labels))
                pace = self._paces.setdefault(name, Pace())
                pace.update(seconds, now_ns)
                readings.append(Reading("training_part_ratio", pace.per_second(now_ns) or 0.0, labels))
        return readings


class Part:
    """A block whose time counts for one part of a step."""

    __slots__ = ("_name", "_parts", "_start_s")

    def __init__(self, parts: Parts, name: str) -> None:
        self._parts = parts
        self._name = name

    def __enter__(self) -> None:
        self._start_s = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._parts.add(self._name, perf_counter() - self._start_s)


class Batches(Generic[Item]):
    """What a loader gives, as often as it gives it, with the time it takes counted; as long as the loader."""

    def __init__(self, parts: Parts, source: Iterable[Item]) -> None:
        self._parts = parts
        self._source = source

    def __len__(self) -> int:
        return len(cast("list[Item]", self._source))

    def __iter__(self) -> Iterator[Item]:
        start_s = perf_counter()
        for item in self._source:
            self._parts.add("data", perf_counter() - start_s)
            yield item
            start_s = perf_counter()
