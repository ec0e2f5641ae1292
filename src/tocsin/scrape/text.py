"""The Prometheus text format, version 0.0.4 (and 1.0.0, which adds quoted UTF-8 names).

Source: prometheus.io/docs/instrumenting/exposition_formats. As in Prometheus, blanks may stand
between the parts, timestamps are in milliseconds, and a comment that is neither HELP nor TYPE is ignored.
"""

from __future__ import annotations

import re
from typing import Final

from tocsin.errors import ParseError
from tocsin.scrape.syntax import (
    METRIC_NAME_PATTERN,
    QUOTED,
    SERIES,
    Comment,
    Sample,
    check_timestamp,
    decode,
    parse_value,
    show,
    unescape,
    unescape_help,
)

_LINE: Final = re.compile(rb"(" + SERIES + rb')[ \t]*+([^ \t{"]++)(?:[ \t]++([^ \t]++))?[ \t]*+')
_COMMENT: Final = re.compile(
    rb"#[ \t]*+(HELP|TYPE)[ \t]++(" + METRIC_NAME_PATTERN.pattern + rb"|" + QUOTED + rb")(?:[ \t]++(.*+))?"
)
_TIMESTAMP: Final = re.compile(rb"-?\d{1,18}")
_TYPES: Final = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})


class TextFormat:
    """How one line of the text format is read."""

    media_type = "text/plain"

    def lines(self, body: bytes) -> list[bytes]:
        """The lines of a body, blanks in front of them removed."""
        lines = body.split(b"\n")
        if b"\n " in body or b"\n\t" in body or body[:1] in {b" ", b"\t"}:
            return [line.lstrip(b" \t") for line in lines]
        return lines

    def sample(self, line: bytes) -> Sample:
        """Read a line that is neither blank nor a comment; raises ParseError."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise ParseError(
                f'not a sample: {show(line)} (a sample is name{{label="value"}} value [timestamp])'
            )
        series, value, timestamp = match.groups()
        if timestamp is not None and not _TIMESTAMP.fullmatch(timestamp):
            raise ParseError(f"the timestamp {show(timestamp)} is not a whole number of milliseconds")
        return Sample(
            series, parse_value(value), None if timestamp is None else check_timestamp(int(timestamp))
        )

    def comment(self, line: bytes) -> Comment | None:
        """Read a line that begins with ``#``: HELP, TYPE, or None for any other comment."""
        match = _COMMENT.fullmatch(line)
        if match is None:
            return None
        keyword, family, text = decode(match[1]), match[2], match[3] or b""
        name = unescape(family) if family[:1] == b'"' else decode(family)
        if keyword == "HELP":
            return Comment(keyword, name, unescape_help(text, with_quotes=False))
        return Comment(keyword, name, _type(text, name))


def _type(text: bytes, family: str) -> str:
    word = decode(text.strip(b" \t"))
    if word not in _TYPES:
        raise ParseError(
            f'the type of "{family}" is {show(text)} (allowed: counter, gauge, histogram, summary, untyped)'
        )
    return "unknown" if word == "untyped" else word
