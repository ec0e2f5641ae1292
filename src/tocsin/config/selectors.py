"""Selectors of series as PromQL writes them: ``loss{run="a"}`` or ``{__name__=~"loss|.*_loss"}``.

What :func:`tocsin.promql.parser.parse_selector` reads is read here to the same matchers, so that a fault in a
configuration file can be reported with its line. Bytes written as escapes, and names in quotes, are refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex

_STRING: Final = r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
_MATCHER: Final = re.compile(rf"\s*(?P<name>[a-zA-Z_]\w*)\s*(?P<type>=~|!=|!~|=)\s*{_STRING}\s*", re.ASCII)
_SELECTOR: Final = re.compile(
    r"\s*(?P<name>[a-zA-Z_:][\w:]*)?\s*(?:\{(?P<inside>.*)\}\s*)?", re.ASCII | re.DOTALL
)
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][\w:]*", re.ASCII)

_ESCAPE: Final = re.compile(r"""\\(?:([abfnrtv\\'"])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))""", re.DOTALL)
_UNESCAPED: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_ALLOWED: Final = 'allowed is: name{label="value", …} with =, !=, =~ or !~'


@lru_cache(maxsize=1024)
def parse_selector(text: str) -> tuple[Matcher, ...]:
    """Read a selector; raises ValueError with one sentence when it is none.

    >>> [str(matcher) for matcher in parse_selector("loss{run=~'a|b'}")]
    ['__name__="loss"', 'run=~"a|b"']
    """
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no selector of series ({_ALLOWED})')
    named = [Matcher.metric(match["name"])] if match["name"] else []
    matchers = (*named, *_matchers(text, match["inside"] or ""))
    if all(matcher.matches_empty for matcher in matchers):
        raise ValueError(f'"{text}" must hold at least one matcher that an empty text does not satisfy')
    return matchers


def checked_selector(text: str) -> str:
    """Give a selector back as it is; raises ValueError with one sentence when it is none."""
    parse_selector(text)
    return text


def checked_metric_name(text: str) -> str:
    """Give the name of a metric back as it is; raises ValueError with one sentence when it is none."""
    if not _METRIC_NAME.fullmatch(text):
        raise ValueError(f'not a metric name: "{text}" (letters, digits, _ and :, not starting with a digit)')
    return text


def _matchers(selector: str, inside: str) -> list[Matcher]:
    matchers, position = [], 0
    while inside[position:].strip():
        match = _MATCHER.match(inside, position)
        if match is None or inside[match.end() : match.end() + 1] not in {"", ","}:
            rest = inside[position:].strip()[:40]
            raise ValueError(f'"{selector}" is no selector of series: {rest} is no matcher ({_ALLOWED})')
        matchers.append(_matcher(match["name"], match["type"], _unquoted(match["text"])))
        position = match.end() + 1
    return matchers


def _matcher(name: str, written: str, value: str) -> Matcher:
    match_type = MatchType(written)
    is_regex = match_type in {MatchType.REGEX, MatchType.NOT_REGEX}
    return Matcher(name, match_type, checked_regex(value) if is_regex else value)


def _unquoted(literal: str) -> str:
    inside = literal[1:-1]
    return inside if literal[0] == "`" else _ESCAPE.sub(_unescaped, inside)


def _unescaped(match: re.Match[str]) -> str:
    plain, short, long, _ = match.groups()
    if plain:
        return _UNESCAPED.get(plain, plain)
    code = int(short or long, 16) if short or long else None
    if code is None or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"unknown escape {match[0]} (a backslash itself is written \\\\)")
    return chr(code)
