"""What a monitor says about itself: series with labels of their own."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """The value of a series now, and its labels beside those that all series of its monitor have.

    >>> Reading("training_health", 0.0, (("check", "spike"),)).value
    0.0
    """

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
