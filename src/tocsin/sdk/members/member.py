"""What one monitor of one process leaves for whoever serves it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from tocsin.sdk.members.identity import Identity
from tocsin.sdk.readings import Reading

WORKER: Final = "worker"
_HISTOGRAM_PARTS: Final = frozenset({"bucket", "sum", "count"})


@dataclass(frozen=True, slots=True)
class Member:
    """The labels of all its series, its ``worker`` number among members of the same labels, and its series.

    ``number`` tells the monitors of one process apart.
    """

    identity: Identity
    number: int
    labels: Mapping[str, str]
    worker: int
    readings: tuple[Reading, ...]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.identity.pid}-{self.identity.started}-{self.number}.json"

    def encode(self) -> str:
        """Itself as JSON."""
        return json.dumps(
            {
                "process": self.identity,
                "number": self.number,
                "labels": dict(self.labels),
                "worker": self.worker,
                "readings": self.readings,
            }
        )

    @classmethod
    def decode(cls, text: str) -> Self:
        """A member from its JSON; raises ValueError, KeyError or TypeError when it is none."""
        content = json.loads(text)
        return cls(
            Identity(*map(int, content["process"])),
            int(content["number"]),
            dict(content["labels"]),
            int(content["worker"]),
            tuple(reading_of(each) for each in content["readings"]),
        )

    def counters(self) -> Iterator[Reading]:
        """The series that are added up over processes, those that have ended among them.

        There are none where ``labels`` name the worker: what such a process counts is a series of its own,
        which begins anew with the next process of that number, as it does where it is pushed.
        """
        histograms = _histograms(self.readings)
        for reading in self.readings:
            if self._is_added_up(reading.name, histograms):
                yield Reading(reading.name, reading.value, _sorted({**self.labels, **dict(reading.labels)}))

    def gauges(self) -> Iterator[Reading]:
        """All others; they have the label ``worker`` unless this is the first member of its labels."""
        histograms = _histograms(self.readings)
        worker = {WORKER: str(self.worker)} if self.worker else {}
        for reading in self.readings:
            if not self._is_added_up(reading.name, histograms):
                labels = _sorted({**worker, **self.labels, **dict(reading.labels)})
                yield Reading(reading.name, reading.value, labels)

    def _is_added_up(self, name: str, histograms: frozenset[str]) -> bool:
        return WORKER not in self.labels and _is_counter(name, histograms)


def reading_of(content: Any) -> Reading:
    """A reading from its JSON."""
    name, value, labels = content
    return Reading(str(name), float(value), tuple((str(key), str(text)) for key, text in labels))


def _histograms(readings: Iterable[Reading]) -> frozenset[str]:
    return frozenset(
        name.removesuffix("_bucket")
        for name, _, labels in readings
        if name.endswith("_bucket") and any(key == "le" for key, _ in labels)
    )


def _is_counter(name: str, histograms: frozenset[str]) -> bool:
    base, _, part = name.rpartition("_")
    return part == "total" or (part in _HISTOGRAM_PARTS and base in histograms)


def _sorted(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
