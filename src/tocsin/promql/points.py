"""Series written as text in test files: ``metric{label="value"} 0+1x10 _ stale``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

from tocsin.errors import QuerySyntaxError
from tocsin.model import STALE_NAN, Labels, MatchType
from tocsin.promql.parser import parse_selector

NATIVE_HISTOGRAM: Final = "native histogram"
"""Stands for a point that is a native histogram, which is not supported."""

Point = float | str | None

_NUMBER: Final = r"[+-]?(?:(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN])"
_POINT: Final = re.compile(
    rf"(?P<histogram>\{{\{{.*?\}}\}}(?:[+-]\{{\{{.*?\}}\}})?(?:x(?P<histogram_times>\d+))?)"
    r"|(?P<absent>_(?:x(?P<absent_times>\d+))?)"
    r"|(?P<stale>stale)"
    rf"|(?P<value>{_NUMBER})(?P<increment>[+-]{_NUMBER})?(?:x(?P<times>\d+))?"
)
_SERIES: Final = re.compile(r'(?:[a-zA-Z_:][\w:]*)?\s*(?:\{(?!\{)(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})?')


def parse_series(line: str) -> tuple[Labels, list[Point]]:
    """Read a series and its points; None is no sample. Raises ValueError for what is not understood."""
    match = cast("re.Match[str]", _SERIES.match(line))  # it matches the empty string
    return parse_labels(match.group().strip()), list(parse_points(line[match.end() :]))


def parse_labels(written: str) -> Labels:
    """Read the labels of a series as its selector; empty braces, or nothing, are no labels."""
    if written.replace(" ", "") in ("", "{}"):
        return Labels()
    try:
        matchers = parse_selector(written)
    except QuerySyntaxError as error:
        raise ValueError(str(error)) from None
    if any(matcher.type is not MatchType.EQUAL for matcher in matchers):
        raise ValueError(f"a series has labels, no conditions: {written}")
    return Labels({matcher.name: matcher.value for matcher in matchers})


def parse_points(text: str) -> Iterator[Point]:
    """Read points: ``1``, ``_``, ``_x3``, ``stale``, ``1+2x10``, ``1x10``, ``NaN``, ``{{…}}``."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _POINT.match(text, position)
        if match is None or not (match.end() == len(text) or text[match.end()].isspace()):
            raise ValueError(f'not a point: "{text[position:].split(maxsplit=1)[0]}"')
        yield from _expand(match)
        position = match.end()


def _expand(match: re.Match[str]) -> Iterator[Point]:
    if match["histogram"]:
        yield from [NATIVE_HISTOGRAM] * (int(match["histogram_times"] or 0) + 1)
    elif match["absent"]:
        yield from [None] * int(match["absent_times"] or 1)
    elif match["stale"]:
        yield STALE_NAN
    else:
        value, increment = float(match["value"]), float(match["increment"] or "0")
        for _ in range(int(match["times"] or 0) + 1):
            yield value
            value += increment
