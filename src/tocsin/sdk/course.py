"""What a run's values have come to: the newest of each, and where its losses began and how low they came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

from tocsin.sdk.names import MOST_NAMES
from tocsin.sdk.thinning import Row

LOSSES: Final = ("loss", "val_loss")


@dataclass(slots=True)
class Loss:
    """The first, the newest and the lowest of a loss; ``best`` is infinite while none was a number."""

    first: float
    last: float
    best: float = inf

    def take(self, value: float) -> None:
        """A later value."""
        self.last = value
        if value < self.best:
            self.best = value


class Course:
    """Takes rows in their order, in memory that does not grow. Not for several threads at a time.

    Thinned rows are enough: they hold the last and the lowest of what they stand for.

    >>> course = Course()
    >>> course.take([(0, 1, {"loss": 2.0}), (50, 2, {"loss": 0.5}), (100, 3, {"loss": 0.75})])
    >>> course.losses["loss"]
    Loss(first=2.0, last=0.75, best=0.5)
    """

    def __init__(self) -> None:
        self.newest: dict[str, float] = {}
        self.losses: dict[str, Loss] = {}

    def take(self, rows: Iterable[Row]) -> None:
        """Take rows."""
        for _, _, values in rows:
            self.newest.update(values)
            for name in LOSSES:
                if name in values:
                    value = values[name]
                    self.losses.setdefault(name, Loss(value, value)).take(value)
        while len(self.newest) > MOST_NAMES:
            self.newest.popitem()
