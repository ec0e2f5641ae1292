"""The grammar that the Prometheus text format and OpenMetrics share: names, label sets, escapes, numbers.

Everything works on bytes, since most of an exposition is never looked at a second time and need not
be decoded. Names may be any UTF-8 text when quoted, as in ``{"gpu.power", host="a"} 1``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tocsin.errors import ParseError
from tocsin.model import METRIC_NAME

QUOTED: Final = rb'"(?:[^"\\\n]++|\\[^\n])*+"'
BRACES: Final = rb'\{(?:[^"}\n]++|' + QUOTED + rb")*+\}"
SERIES: Final = rb'[^\s{"#]*+(?:[ \t]*' + BRACES + rb")?"

METRIC_NAME_PATTERN: Final = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_LABEL_NAME: Final = re.compile(rb"[a-zA-Z_][a-zA-Z0-9_]*+")
_QUOTED: Final = re.compile(QUOTED)

# Nearly all series are of this form: no blanks, no escapes, no quoted names.
_PLAIN_PAIR: Final = r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\\n]*+)"'
_PLAIN_PAIRS: Final = re.compile(_PLAIN_PAIR)
_PLAIN_SERIES: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)(?:\{(?P<labels>(?:" + _PLAIN_PAIR + r"(?:,|(?=\})))*+)\})?+"
)
_BLANKS: Final = re.compile(rb"[ \t]*+")

_ESCAPE: Final = re.compile(rb'\\[\\"n]')
_HELP_ESCAPE: Final = re.compile(rb"\\[\\n]")
_ESCAPED: Final = {rb"\\": b"\\", rb"\"": b'"', rb"\n": b"\n"}

_REAL: Final = rb"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?"
_REAL_NUMBER: Final = re.compile(_REAL)
_VALUE: Final = re.compile(_REAL + rb"|[+-]?(?i:inf(?:inity)?)|(?i:nan)")

MAX_TIMESTAMP_MS: Final = 2**53
"""The farthest time from 1970 that is taken: up to it a float64 holds every millisecond exactly."""

_SHOWN_BYTES: Final = 80


class Sample(NamedTuple):
    """One line with a sample: its series as written, the value, and the time when it was given."""

    series: bytes
    value: float
    timestamp_ms: int | None


class Comment(NamedTuple):
    """One line with metadata: ``HELP``, ``TYPE`` or ``UNIT`` of a metric family."""

    keyword: str
    family: str
    text: str


def show(text: bytes) -> str:
    """A piece of input as it may stand in an error message: short, on one line, printable."""
    cut = text[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    readable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f'"{readable}{"…" if len(text) > _SHOWN_BYTES else ""}"'


def decode(text: bytes) -> str:
    """UTF-8 bytes as text; raises ParseError when they are not UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError(f"not UTF-8: {show(text)}") from None


def unescape(quoted: bytes) -> str:
    """The content of a quoted name or label value; an unknown escape stands for itself."""
    inside = quoted[1:-1]
    if b"\\" in inside:
        inside = _ESCAPE.sub(lambda match: _ESCAPED[match[0]], inside)
    return decode(inside)


def unescape_help(text: bytes, *, with_quotes: bool) -> str:
    """A help text; the quote is an escape in OpenMetrics only."""
    pattern = _ESCAPE if with_quotes else _HELP_ESCAPE
    return decode(pattern.sub(lambda match: _ESCAPED[match[0]], text))


def parse_value(text: bytes) -> float:
    """A sample's value: a decimal number, NaN or an infinity; raises ParseError."""
    if not _VALUE.fullmatch(text):
        raise ParseError(f"the value {show(text)} is not a number")
    return float(text)


def parse_real(text: bytes) -> float:
    """A decimal number that is finite as written, such as a timestamp in seconds; raises ParseError."""
    if not _REAL_NUMBER.fullmatch(text):
        raise ParseError(f"the timestamp {show(text)} is not a number of seconds")
    return float(text)


def check_timestamp(timestamp_ms: float) -> int:
    """A time that can be stored, in whole milliseconds; raises ParseError when it is too far from 1970."""
    if abs(timestamp_ms) > MAX_TIMESTAMP_MS:
        raise ParseError(f"the timestamp {timestamp_ms} ms is out of range (up to {MAX_TIMESTAMP_MS} ms)")
    return round(timestamp_ms)


def parse_series(series: bytes) -> dict[str, str]:
    """The labels of a series as written, the metric name included; empty values are kept.

    Raises ParseError when the text is no series or a label stands twice.

    >>> parse_series(b'up{job="api"}')
    {'__name__': 'up', 'job': 'api'}
    """
    plain = _PLAIN_SERIES.fullmatch(decode(series))
    if plain is None:
        return _parse_any_series(series)
    pairs = _PLAIN_PAIRS.findall(plain["labels"] or "")
    labels = {METRIC_NAME: plain["name"], **dict(pairs)}
    return labels if len(labels) == len(pairs) + 1 else _parse_any_series(series)


def _parse_any_series(series: bytes) -> dict[str, str]:
    """Read a series in any form, step by step."""
    labels: dict[str, str] = {}
    name = METRIC_NAME_PATTERN.match(series)
    position = 0
    if name:
        labels[METRIC_NAME] = decode(name[0])
        position = name.end()
    position = _skip_blanks(series, position)
    if position < len(series):
        _parse_braces(series, position, labels)
    if not labels.get(METRIC_NAME):
        raise ParseError(f"a metric name is missing in {show(series)}")
    return labels


def parse_label_set(braces: bytes) -> dict[str, str]:
    """A label set in braces that belongs to no metric, such as an exemplar's."""
    labels: dict[str, str] = {}
    _parse_braces(braces, 0, labels)
    return labels


def _parse_braces(text: bytes, position: int, labels: dict[str, str]) -> None:
    if text[position : position + 1] != b"{":
        raise ParseError(f"a name may hold letters, digits, _ and : only, unless it is quoted: {show(text)}")
    position = _skip_blanks(text, position + 1)
    while text[position : position + 1] != b"}":
        position = _parse_label(text, position, labels)
        after = text[position : position + 1]
        if after == b",":
            position = _skip_blanks(text, position + 1)
        elif after != b"}":
            raise ParseError(f"a comma is missing between labels in {show(text)}")
    if position != len(text) - 1:
        raise ParseError(f"text follows the labels in {show(text)}")


def _parse_label(text: bytes, position: int, labels: dict[str, str]) -> int:
    """Read one label, or a quoted metric name, and return the position behind it and its blanks."""
    quoted = _QUOTED.match(text, position)
    bare = _LABEL_NAME.match(text, position)
    match = quoted or bare
    if match is None:
        raise ParseError(f"a label name is missing or not valid in {show(text)}")
    name = unescape(match[0]) if quoted else decode(match[0])
    position = _skip_blanks(text, match.end())
    if text[position : position + 1] == b"=":
        value = _QUOTED.match(text, _skip_blanks(text, position + 1))
        if value is None:
            raise ParseError(f'the label "{name}" has no quoted value in {show(text)}')
        _add(labels, name, unescape(value[0]), text)
        return _skip_blanks(text, value.end())
    if bare:
        raise ParseError(f'the label "{name}" has no value in {show(text)}')
    _add(labels, METRIC_NAME, name, text)
    return position


def _add(labels: dict[str, str], name: str, value: str, text: bytes) -> None:
    if not name:
        raise ParseError(f"a label name is empty in {show(text)}")
    if name in labels:
        raise ParseError(f'the label "{name}" stands twice in {show(text)}')
    labels[name] = value


def _skip_blanks(text: bytes, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position
