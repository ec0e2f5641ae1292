"""Giving memory back that is free but still held."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import cast


def give_back() -> None:
    """Return what the C library keeps for later to the system, where it can do that (glibc).

    Summaries and large queries leave holes that it would otherwise hold for good: some 80 MB with 10,000
    series. It takes a few milliseconds.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return cast("Callable[[int], int]", ctypes.CDLL(None).malloc_trim)
    except (AttributeError, OSError):
        return None
