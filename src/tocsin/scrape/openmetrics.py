"""The OpenMetrics 1.0 text format, line by line.

Source: prometheus.io/docs/specs/om/open_metrics_spec. Parts are separated by exactly one space, timestamps
are in seconds, blank lines are not allowed, and the text ends with ``# EOF``. The rules that concern whole
metric families stand in :mod:`tocsin.scrape.openmetrics_families`; a scrape does not insist on them, as
Prometheus does not, because widely used exporters break some of them.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tocsin.errors import ParseError
from tocsin.model import MetricType
from tocsin.scrape.syntax import (
    METRIC_NAME_PATTERN,
    QUOTED,
    Comment,
    Sample,
    check_timestamp,
    decode,
    parse_label_set,
    parse_real,
    parse_value,
    show,
    unescape,
    unescape_help,
)

_NAME: Final = METRIC_NAME_PATTERN.pattern
_ITEM: Final = rb"(?:[a-zA-Z_][a-zA-Z0-9_]*+|" + QUOTED + rb")(?:=" + QUOTED + rb")?"
_LABELS: Final = rb"\{(?:" + _ITEM + rb"(?:," + _ITEM + rb")*+)?\}"
_LINE: Final = re.compile(
    rb"((?:" + _NAME + rb")?(?:" + _LABELS + rb")?) ([^ #]++)(?: ([^ #]++))?"
    rb"(?: # (" + _LABELS + rb") ([^ ]++)(?: ([^ ]++))?)?"
)
_COMMENT: Final = re.compile(rb"# (HELP|TYPE|UNIT) (" + _NAME + rb"|" + QUOTED + rb") (.*+)")

_MAX_EXEMPLAR_CHARACTERS: Final = 128
_TYPES: Final = frozenset(MetricType)


class Exemplar(NamedTuple):
    """An example of what a sample counts."""

    labels: dict[str, str]
    value: float


class Line(NamedTuple):
    """One line with a sample, as OpenMetrics knows it."""

    series: bytes
    value: float
    timestamp_s: float | None
    exemplar: Exemplar | None


def parse_line(line: bytes) -> Line:
    """Read a line with a sample; raises ParseError."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ParseError(
            f'not an OpenMetrics sample: {show(line)} (a sample is name{{label="value"}} value [timestamp])'
        )
    series, value, timestamp, *exemplar = match.groups()
    return Line(
        series,
        parse_value(value),
        None if timestamp is None else parse_real(timestamp),
        None if exemplar[0] is None else _exemplar(*exemplar),
    )


def _exemplar(labels: bytes, value: bytes, timestamp: bytes | None) -> Exemplar:
    if timestamp is not None:
        parse_real(timestamp)
    pairs = parse_label_set(labels)
    if sum(len(name) + len(label) for name, label in pairs.items()) > _MAX_EXEMPLAR_CHARACTERS:
        raise ParseError(f"the labels of an exemplar are longer than {_MAX_EXEMPLAR_CHARACTERS} characters")
    return Exemplar(pairs, parse_value(value))


class OpenMetricsFormat:
    """How one line of OpenMetrics is read."""

    media_type = "application/openmetrics-text"

    def lines(self, body: bytes) -> list[bytes]:
        """The lines before ``# EOF``; raises ParseError when that is missing or not the end."""
        lines = body.removesuffix(b"\n").split(b"\n")
        if lines[-1] != b"# EOF":
            raise ParseError("OpenMetrics text must end with # EOF")
        if b"" in lines:
            raise ParseError("a blank line is not allowed in OpenMetrics text", line=lines.index(b"") + 1)
        return lines[:-1]

    def sample(self, line: bytes) -> Sample:
        """Read a line with a sample; raises ParseError."""
        parsed = parse_line(line)
        timestamp_s = parsed.timestamp_s
        timestamp_ms = None if timestamp_s is None else check_timestamp(timestamp_s * 1000)
        return Sample(parsed.series, parsed.value, timestamp_ms)

    def comment(self, line: bytes) -> Comment:
        """Read a line that begins with ``#``; raises ParseError when it is not HELP, TYPE or UNIT."""
        match = _COMMENT.fullmatch(line)
        if match is None:
            raise ParseError(f"not HELP, TYPE or UNIT of a metric: {show(line)}")
        keyword, family, text = decode(match[1]), match[2], match[3]
        name = unescape(family) if family[:1] == b'"' else decode(family)
        if keyword == "HELP":
            return Comment(keyword, name, unescape_help(text, with_quotes=True))
        if keyword == "TYPE" and decode(text) not in _TYPES:
            raise ParseError(f'the type of "{name}" is {show(text)} (allowed: {", ".join(sorted(_TYPES))})')
        return Comment(keyword, name, decode(text))
