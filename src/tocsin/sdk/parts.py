"""Where the time of a step goes: waiting for data, computing, the optimiser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from types import TracebackType
from typing import Final, Generic, TypeVar, cast

from tocsin.sdk.guard import Guard
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
    >>> [reading.labels for reading in parts.readings()]
    [(('part', 'forward_backward'),), (('part', 'data'),)]
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._spent_s: dict[str, float] = {}

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

    def readings(self) -> list[Reading]:
        """The seconds of every part so far."""
        return [
            Reading("training_part_seconds_total", seconds, (("part", name),))
            for name, seconds in self._spent_s.copy().items()
        ]


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
