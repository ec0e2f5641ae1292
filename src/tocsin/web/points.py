"""Numbers and times as Prometheus' JSON writes them, many at once.

A dashboard asks for a million points. So orjson writes the values of many series as one text, one
replacement turns its commas into what stands between two points, and NumPy puts the times in their
places: no loop over points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Beyond it the shortest text of a number need not be that of an integer.
_MAX_WHOLE: Final = 2**53
# Times in milliseconds that have 13 digits: those from 2001 to 2286.
_FIRST_MS: Final = 10**12
_END_MS: Final = 10**13

# Texts of so many points are worked on at a time, so that they stay in the cache.
_BATCH_POINTS: Final = 1 << 14

_COMMA: Final = ord(",")
_NO_NUMBER: Final = b"null"
_BEFORE_TIME: Final = b'"],['
_AFTER_TIME: Final = b',"'
_END: Final = b'"]'


def number_texts(values: Floats) -> list[bytes]:
    """The shortest text of each number that reads back exactly; ``NaN``, ``+Inf``, ``-Inf``.

    >>> number_texts(np.array([1.0, 0.1, np.inf]))
    [b'1', b'0.1', b'+Inf']
    """
    return _comma_led(values).split(b",")[1:] if len(values) else []


def _comma_led(values: Floats) -> bytes:
    """The texts of at least one number, with a comma before each."""
    with np.errstate(invalid="ignore"):
        is_whole = values == np.rint(values)
    if is_whole.all() and _fits_integers(values):
        return b"," + _dumped(values.astype(np.int64))
    text = b"," + _dumped(np.ascontiguousarray(values))
    if is_whole.any():
        text = text.replace(b".0,", b",").removesuffix(b".0")
    is_number = np.isfinite(values)
    if not is_number.all():
        text = b"".join(_named(text.split(_NO_NUMBER), values[~is_number].tolist()))
    return text


def _fits_integers(values: Floats) -> bool:
    """Whether whole numbers have the same text as integers, which are written faster."""
    has_negative_zero = np.signbit(values[values == 0]).any()
    return bool(np.abs(values).max() < _MAX_WHOLE and not has_negative_zero)


def _dumped(values: npt.NDArray[np.generic]) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def _named(between: list[bytes], others: list[float]) -> Iterator[bytes]:
    """Put the names of NaN and the infinities between the texts that surround them."""
    yield between[0]
    for other, after in zip(others, between[1:], strict=True):
        yield b"NaN" if math.isnan(other) else b"+Inf" if other > 0 else b"-Inf"
        yield after


def time_text(time_ms: int) -> bytes:
    """A time in seconds, with three decimals unless it is whole.

    >>> time_text(1_700_000_000_000), time_text(1_700_000_000_250)
    (b'1700000000', b'1700000000.250')
    """
    seconds, rest = divmod(abs(time_ms), 1000)
    sign = "-" if time_ms < 0 else ""
    return f"{sign}{seconds}.{rest:03d}".removesuffix(".000").encode()


def point_lists(times_ms: Ints, values: Floats, present: Mask | None = None) -> list[bytes]:
    """``[[time,"value"],…]`` for each row of ``values``; a column has the same time in all of them.

    ``present`` says which points there are; None means all.

    >>> point_lists(np.array([1_700_000_000_000]), np.array([[1.0], [0.5]]))
    [b'[[1700000000,"1"]]', b'[[1700000000,"0.5"]]']
    """
    rows, columns = values.shape
    if not rows or not columns:
        return [b"[]"] * rows
    with np.errstate(invalid="ignore"):
        is_whole = (values == np.rint(values)).all(axis=1)
    if is_whole.any() and not is_whole.all():
        return _merged(is_whole, times_ms, values, present)
    times = _time_cells(times_ms)
    batch = max(1, _BATCH_POINTS // columns)
    lists: list[bytes] = []
    for first in range(0, rows, batch):
        part = values[first : first + batch]
        if present is None:
            lists += _lists(np.tile(times, len(part)), part.ravel(), np.full(len(part), columns))
        else:
            mask = present[first : first + batch]
            lists += _lists(times[np.nonzero(mask)[1]], part[mask], mask.sum(axis=1))
    return lists


def _merged(first: Mask, times_ms: Ints, values: Floats, present: Mask | None) -> list[bytes]:
    """The lists of all rows, made for some rows and for the others: whole numbers alone take half as long."""
    lists = [b""] * len(values)
    for rows in (np.flatnonzero(first), np.flatnonzero(~first)):
        part = point_lists(times_ms, values[rows], None if present is None else present[rows])
        for row, text in zip(rows.tolist(), part, strict=True):
            lists[row] = text
    return lists


def _time_cells(times_ms: Ints) -> npt.NDArray[np.void]:
    """The texts of times, all of one width."""
    if (times_ms % 1000 == 0).all() and times_ms.min() >= _FIRST_MS and times_ms.max() < _END_MS:
        text = _dumped(times_ms // 1000).replace(b",", b"")
    else:
        texts = [time_text(time_ms) for time_ms in times_ms.tolist()]
        width = max(map(len, texts))
        # Blanks before a number are no part of it.
        text = b"".join(each.rjust(width) for each in texts)
    return np.frombuffer(text, dtype=f"V{len(text) // len(times_ms)}")


def _lists(times: npt.NDArray[np.void], values: Floats, lengths: Ints) -> list[bytes]:
    """The lists of some rows, whose times, values and numbers of points follow each other."""
    if not len(values):
        return [b"[]"] * len(lengths)
    numbers = _comma_led(values)
    width = times.dtype.itemsize
    between = _BEFORE_TIME + b" " * width + _AFTER_TIME
    commas = np.flatnonzero(np.frombuffer(numbers, dtype=np.uint8) == _COMMA)
    text = bytearray(numbers).replace(b",", between)
    text += _END
    places = commas + len(_BEFORE_TIME) + np.arange(len(commas)) * (len(between) - 1)
    cells = np.ndarray((len(text) - width + 1,), times.dtype, text, strides=(1,))
    cells[places] = times
    # A list begins with the bracket before its first time, and ends before the comma that leads the next.
    starts = np.append(places - 1, len(text) + 1)
    ends = np.cumsum(lengths)
    begins = starts[ends - lengths]
    bounds = zip(begins.tolist(), np.maximum(begins, starts[ends] - 1).tolist(), strict=True)
    view = memoryview(text)
    return [b"".join((b"[", view[begin:end], b"]")) for begin, end in bounds]
