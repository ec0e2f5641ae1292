"""What a monitor says about itself: series with labels of their own."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """The value of a series now; ``check`` is its label of that name, where it has one."""

    name: str
    value: float
    check: str = ""
