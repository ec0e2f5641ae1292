"""Counters that are pushed begin with 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tocsin.sdk.readings import Reading

_CUMULATIVE: Final = ("_total", "_bucket", "_sum", "_count")


class Beginnings:
    """Sends 0 the first time a counter is sent, so that what it has counted by then shows in rates.

    A rate is a difference between two samples, and the first error of its kind would be in none.

    >>> beginnings = Beginnings()
    >>> [list(beginnings.of([Reading("errors_total", 1.0)]))[0].value for _ in range(2)]
    [0.0, 1.0]
    """

    def __init__(self) -> None:
        self._sent: set[tuple[str, tuple[tuple[str, str], ...]]] = set()

    def of(self, readings: Iterable[Reading]) -> Iterator[Reading]:
        """The same readings, and 0 for each counter that was never among them before."""
        for reading in readings:
            series = (reading.name, reading.labels)
            if series in self._sent or not reading.name.endswith(_CUMULATIVE):
                yield reading
            else:
                self._sent.add(series)
                yield reading._replace(value=0.0)
