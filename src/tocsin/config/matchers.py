"""Matchers as Alertmanager writes them: ``severity=critical, job=~"api|web"``.

Two grammars exist, the classic one and the one of Alertmanager 0.27, in which any UTF-8 text may be
a name. As in Alertmanager's default mode the newer one is tried, and the classic one decides where
both read a text but differ.
"""

from __future__ import annotations

import ast
import re
from typing import Final

from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex

_CLASSIC: Final = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED: Final = {"n": "\n", '"': '"', "\\": "\\"}

_WORD: Final = r"[^\s{}!=~,\\\"'`]+"
_QUOTED: Final = r'"(?:[^"\\\n]|\\.)*"'
_UTF8: Final = re.compile(rf"\s*({_WORD}|{_QUOTED})\s*(=~|=|!=|!~)\s*({_WORD}|{_QUOTED})\s*")


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read any number of matchers, with or without braces; raises ValueError with one sentence."""
    try:
        newer = parse_utf8(text)
    except ValueError:
        return parse_classic(text)
    try:
        return parse_classic(text)
    except ValueError:
        return newer


def parse_classic(text: str) -> tuple[Matcher, ...]:
    """Read matchers of the older grammar."""
    inside = text.removeprefix("{").removesuffix("}")
    tokens = _split_classic(inside)
    return tuple(_classic_matcher(token) for token in tokens)


def _split_classic(text: str) -> list[str]:
    """Cut at commas outside quotes; nothing may stand behind the last comma, but not before another."""
    tokens, start, is_quoted, is_escaped = [], 0, False, False
    for position, character in enumerate(text):
        if character == "," and not is_quoted:
            tokens.append(text[start:position])
            start = position + 1
        elif character == '"' and not is_escaped:
            is_quoted = not is_quoted
        is_escaped = character == "\\" and not is_escaped
    return [*tokens, text[start:]] if text[start:].strip() else tokens


def _classic_matcher(token: str) -> Matcher:
    match = _CLASSIC.fullmatch(token)
    if match is None:
        raise ValueError(f'bad matcher format: {token} (allowed are forms such as severity=~"a|b")')
    name, operator, written = match.groups()
    return _matcher(name, operator, _classic_value(written))


def _classic_value(written: str) -> str:
    value = written.removeprefix('"')
    without_escapes = _ESCAPE.sub("", value)
    if written.startswith('"'):
        if not without_escapes.endswith('"'):
            raise ValueError(f"matcher value contains unescaped double quote: {written}")
        value, without_escapes = value[:-1], without_escapes[:-1]
    if '"' in without_escapes:
        raise ValueError(f"matcher value contains unescaped double quote: {written}")
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[0]), value)


def parse_utf8(text: str) -> tuple[Matcher, ...]:
    """Read matchers of the newer grammar."""
    inside = text.strip()
    if inside.startswith("{") != inside.endswith("}"):
        raise ValueError(f"unbalanced braces: {text}")
    inside = inside.removeprefix("{").removesuffix("}")
    matchers, position = [], 0
    while inside[position:].strip():
        match = _UTF8.match(inside, position)
        if match is None:
            raise ValueError(f"bad matcher format: {text}")
        name, operator, value = match.groups()
        matchers.append(_matcher(_unquoted(name), operator, _unquoted(value)))
        position = match.end()
        if inside[position : position + 1] not in {"", ","}:
            raise ValueError(f"a comma is missing: {text}")
        position += 1
    return tuple(matchers)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        raise ValueError(f"not a quoted text: {text}") from None


def _matcher(name: str, operator: str, value: str) -> Matcher:
    kind = MatchType(operator)
    return Matcher(
        name, kind, checked_regex(value) if kind in {MatchType.REGEX, MatchType.NOT_REGEX} else value
    )
