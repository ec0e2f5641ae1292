"""Matchers as Alertmanager writes them: ``severity=critical, job=~"api|web"``.

Two grammars exist, the classic one and the one of Alertmanager 0.27, in which any UTF-8 text may be
a name. As in Alertmanager's default mode the newer one is tried, and the classic one decides where
both read a text but differ.

Source: prometheus.io/docs/alerting/latest/configuration/#matcher.
"""

from __future__ import annotations

import re
from typing import Final

from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex

_CLASSIC_SPACES: Final = "\t\n\f\r "
_CLASSIC: Final = re.compile(
    rf"[{_CLASSIC_SPACES}]*([a-zA-Z_:][a-zA-Z0-9_:]*)[{_CLASSIC_SPACES}]*(=~|=|!=|!~)[{_CLASSIC_SPACES}]*(.*)",
    re.DOTALL,
)
_CLASSIC_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CLASSIC_UNESCAPED: Final = {"n": "\n", '"': '"', "\\": "\\"}

_SPACES: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What Go takes as white space; Python takes more."""

_IN_CLASS: Final = re.escape(_SPACES)

_TOKEN: Final = re.compile(
    rf"""
    (?P<space>[{_IN_CLASS}]+)
    | (?P<brace>[{{}}])
    | (?P<comma>,)
    | (?P<operator>=~|!~|!=|=)
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<word>[^{_IN_CLASS}{{}}!=~,\\"'`]+)
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE: Final = re.compile(
    rb"""\\(?:
        (?P<letter>[abfnrtv\\"])
        | x(?P<byte>[0-9a-fA-F]{2})
        | (?P<octal>[0-7]{3})
        | u(?P<short>[0-9a-fA-F]{4})
        | U(?P<long>[0-9a-fA-F]{8})
        | (?P<unknown>.)
    )""",
    re.DOTALL | re.VERBOSE,
)
_LETTERS: Final = dict(zip(b'abfnrtv\\"', b'\a\b\f\n\r\t\v\\"', strict=True))


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


def difference(text: str) -> str | None:
    """Why Alertmanager warns of a text that is right: one sentence, or None when it does not.

    >>> difference("team=")
    'the newer grammar does not read the matcher team= (write team="")'
    """
    classic = parse_matchers(text)
    written = ",".join(str(matcher) for matcher in classic)
    try:
        newer = parse_utf8(text)
    except ValueError:
        return f"the newer grammar does not read the matcher {text} (write {written})"
    if newer != classic:
        return f"the newer grammar reads the matcher {text} differently, and it is read as {written}"
    return None


def parse_classic(text: str) -> tuple[Matcher, ...]:
    """Read matchers of the older grammar."""
    inside = text.removeprefix("{").removesuffix("}")
    tokens = _split_classic(inside)
    return tuple(_classic_matcher(token) for token in tokens)


def _split_classic(text: str) -> list[str]:
    """Cut at commas outside quotes; nothing may stand behind the last comma, but not before another."""
    tokens, start, is_quoted, is_escaped = [], 0, False, False
    for position, character in enumerate(text):
        if character == ",":
            # A comma does not end an escape, in Alertmanager neither.
            if not is_quoted:
                tokens.append(text[start:position])
                start = position + 1
            continue
        if character == '"' and not is_escaped:
            is_quoted = not is_quoted
        is_escaped = character == "\\" and not is_escaped
    last = text[start:].strip(_SPACES)
    return [*tokens, last] if last else tokens


def _classic_matcher(token: str) -> Matcher:
    match = _CLASSIC.fullmatch(token)
    if match is None:
        raise ValueError(f'bad matcher format: {token} (allowed are forms such as severity=~"a|b")')
    name, operator, written = match.groups()
    return _matcher(name, operator, _classic_value(written.rstrip(_CLASSIC_SPACES)))


def _classic_value(written: str) -> str:
    value = written.removeprefix('"')
    without_escapes = _CLASSIC_ESCAPE.sub("", value)
    if written.startswith('"'):
        if not without_escapes.endswith('"'):
            raise ValueError(f"matcher value contains unescaped double quote: {written}")
        value, without_escapes = value[:-1], without_escapes[:-1]
    if '"' in without_escapes:
        raise ValueError(f"matcher value contains unescaped double quote: {written}")
    return _CLASSIC_ESCAPE.sub(lambda match: _CLASSIC_UNESCAPED.get(match[1], match[0]), value)


def parse_utf8(text: str) -> tuple[Matcher, ...]:
    """Read matchers of the newer grammar."""
    tokens = _tokens(text)
    if tokens and tokens[0] == ("brace", "{"):
        if len(tokens) == 1 or tokens[-1] != ("brace", "}"):
            raise ValueError(f"a closing brace is missing: {text}")
        tokens = tokens[1:-1]
        if not tokens:
            return ()
    matchers = []
    for start in range(0, len(tokens), 4):
        kinds = [kind for kind, _ in tokens[start : start + 4]]
        if not _is_matcher(kinds):
            raise ValueError(f'bad matcher format: {text} (allowed are forms such as severity=~"a|b")')
        (name_kind, name), (_, operator), (value_kind, value) = tokens[start : start + 3]
        matchers.append(_matcher(_plain(name_kind, name), operator, _plain(value_kind, value)))
    return tuple(matchers)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{text[position]} cannot stand here without quotes: {text}")
        if match.lastgroup != "space":
            tokens.append((str(match.lastgroup), match[0]))
        position = match.end()
    return tokens


def _is_matcher(kinds: list[str]) -> bool:
    """Whether tokens are a name, an operator and a value, and a comma unless the text ends."""
    return (
        len(kinds) >= 3
        and {kinds[0], kinds[2]} <= {"quoted", "word"}
        and kinds[1] == "operator"
        and kinds[3:] in ([], ["comma"])
    )


def _plain(kind: str, text: str) -> str:
    return _unquoted(text) if kind == "quoted" else text


def _unquoted(text: str) -> str:
    """The content of a string literal of Go."""
    if "\n" in text:
        raise ValueError(f"a quoted text must not contain a line feed: {text}")
    try:
        return _ESCAPE.sub(_unescaped, text[1:-1].encode()).decode()
    except UnicodeError:
        raise ValueError(f"not UTF-8 text: {text}") from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    kind = str(match.lastgroup)
    code = match[kind]
    match kind:
        case "letter":
            return bytes([_LETTERS[code[0]]])
        case "byte":
            return bytes([int(code, 16)])
        case "octal" if int(code, 8) < 256:
            return bytes([int(code, 8)])
        case "short" | "long" if int(code, 16) < 0x110000:
            return chr(int(code, 16)).encode()
    raise ValueError(f"unknown escape in a quoted text: {match[0].decode(errors='replace')}")


def _matcher(name: str, operator: str, value: str) -> Matcher:
    kind = MatchType(operator)
    return Matcher(
        name, kind, checked_regex(value) if kind in {MatchType.REGEX, MatchType.NOT_REGEX} else value
    )
