"""What every detector of training health is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import ClassVar, NamedTuple


class Finding(NamedTuple):
    """What is wrong at a step: the value seen, the limit that it broke, and a sentence about it."""

    value: float
    limit: float
    text: str


class Detector(ABC):
    """Judges the values of one series as they come.

    Guarantees that hold for all: never raises, whatever float comes; keeps a bounded number of values;
    the same values give the same findings; a value that is NaN or infinite changes nothing, except in
    ``not_finite``.
    """

    check: ClassVar[str]
    """The label ``check`` of its series."""

    ceiling: float = inf
    """A value up to this cannot begin a finding, so that many may be passed over at once."""

    @abstractmethod
    def observe(self, step: int, value: float) -> Finding | None:
        """Take the value of a step; returns what is wrong at this step, or None."""
