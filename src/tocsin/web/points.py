"""Numbers and times as Prometheus' JSON writes them, many at once.

A dashboard asks for a million points; so texts are made by orjson for whole arrays, and Python
touches each point only to join its two halves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

# Beyond it the shortest text of a number need not be that of an integer.
_MAX_WHOLE: Final = 2**53

_END: Final = b'"]'
_BETWEEN: Final = b'"],'
_NAN: Final = b"NaN"
_INFINITIES: Final = {math.inf: b"+Inf", -math.inf: b"-Inf"}


def number_texts(values: npt.NDArray[np.float64]) -> list[bytes]:
    """The shortest text of each number that reads back exactly; ``NaN``, ``+Inf``, ``-Inf``.

    >>> number_texts(np.array([1.0, 0.1, np.inf]))
    [b'1', b'0.1', b'+Inf']
    """
    if len(values) == 0:
        return []
    with np.errstate(invalid="ignore"):
        is_whole = values == np.rint(values)
    if is_whole.all() and _fits_integers(values):
        return _texts(values.astype(np.int64))
    texts = _texts(np.ascontiguousarray(values))
    for index in np.flatnonzero(is_whole).tolist():
        texts[index] = texts[index].removesuffix(b".0")
    for index in np.flatnonzero(~np.isfinite(values)).tolist():
        texts[index] = _INFINITIES.get(float(values[index]), _NAN)
    return texts


def _fits_integers(values: npt.NDArray[np.float64]) -> bool:
    """Whether whole numbers have the same text as integers, which are written faster."""
    has_negative_zero = np.signbit(values[values == 0]).any()
    return bool(np.abs(values).max() < _MAX_WHOLE and not has_negative_zero)


def _texts(values: npt.NDArray[np.generic]) -> list[bytes]:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def time_texts(times_ms: npt.NDArray[np.int64]) -> list[bytes]:
    """Times in seconds with as many decimals as needed, at most three.

    >>> time_texts(np.array([1_700_000_000_000, 1_700_000_000_250]))
    [b'1700000000', b'1700000000.25']
    """
    return number_texts(times_ms / 1000.0)


def point_starts(times_ms: npt.NDArray[np.int64]) -> list[bytes]:
    """What stands before the value of each point, ``"],[time,"``; series that share their times share it."""
    return [b'"],[' + text + b',"' for text in time_texts(times_ms)]


def points(starts: Sequence[bytes], values: npt.NDArray[np.float64]) -> bytes:
    """The points of one series, ``[time,"value"],[time,"value"]``; at least one."""
    parts = [_END] * (2 * len(starts) + 1)
    parts[0:-1:2] = starts
    parts[1::2] = number_texts(values)
    parts[0] = starts[0].removeprefix(_BETWEEN)
    return b"".join(parts)
