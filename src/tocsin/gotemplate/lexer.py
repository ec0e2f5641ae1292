"""Cuts a template into text and the tokens of its actions, as Go's text/template does."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from tocsin.gotemplate.errors import TemplateError


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    STRING = auto()
    RAW_STRING = auto()
    CHARACTER = auto()
    NUMBER = auto()
    VARIABLE = auto()
    FIELD = auto()
    DOT = auto()
    WORD = auto()
    SIGN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and whether white space stands before it: ``.a.b`` is one operand, ``.a .b`` are two.

    ``position`` is where it begins in the template.
    """

    kind: Kind
    text: str
    is_spaced: bool = False
    position: int = 0


class LexicalError(TemplateError):
    """A template cannot be cut into tokens; ``position`` says where."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


_TOKEN: Final = re.compile(
    r"""(?P<SPACE>\s+)
      | (?P<STRING>"(?:[^"\\\n]|\\.)*")
      | (?P<RAW_STRING>`[^`]*`)
      | (?P<CHARACTER>'(?:[^'\\\n]|\\.)+')
      | (?P<NUMBER>[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
                    |(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?))
      | (?P<VARIABLE>\$\w*)
      | (?P<FIELD>\.[^\W\d]\w*)
      | (?P<DOT>\.)
      | (?P<WORD>[^\W\d]\w*)
      | (?P<SIGN>:=|[=|(),])
    """,
    re.VERBOSE,
)
_COMMENT: Final = re.compile(r"\{\{(- )?/\*.*?\*/( -)?\}\}", re.DOTALL)
_TRIM_LEFT: Final = re.compile(r"-\s")
_TRIM_RIGHT: Final = re.compile(r"\s+-\}\}")


def tokenize(template: str) -> Iterator[Token]:
    """Yield the tokens of a template; raises LexicalError where it is none."""
    position, trim_next = 0, False
    while (start := template.find("{{", position)) >= 0:
        comment = _COMMENT.match(template, start)
        trims_before = bool(comment[1]) if comment else bool(_TRIM_LEFT.match(template, start + 2))
        yield from _text(template[position:start], trim_left=trim_next, trim_right=trims_before)
        if comment:
            position, trim_next = comment.end(), bool(comment[2])
        else:
            yield Token(Kind.OPEN, "{{", position=start)
            position, trim_next = yield from _action(template, start + (3 if trims_before else 2))
    yield from _text(template[position:], trim_left=trim_next, trim_right=False)


def _text(text: str, *, trim_left: bool, trim_right: bool) -> Iterator[Token]:
    text = text.lstrip() if trim_left else text
    text = text.rstrip() if trim_right else text
    if text:
        yield Token(Kind.TEXT, text)


def _action(template: str, position: int) -> Generator[Token, None, tuple[int, bool]]:
    is_spaced = False
    while True:
        if closing := _TRIM_RIGHT.match(template, position):
            yield Token(Kind.CLOSE, "}}", position=position)
            return closing.end(), True
        if template.startswith("}}", position):
            yield Token(Kind.CLOSE, "}}", position=position)
            return position + 2, False
        match = _TOKEN.match(template, position)
        if match is None:
            raise LexicalError(_unreadable(template, position), position)
        if match.lastgroup != "SPACE":
            yield Token(Kind[str(match.lastgroup)], match.group(), is_spaced, position)
        is_spaced = match.lastgroup == "SPACE"
        position = match.end()


def _unreadable(template: str, position: int) -> str:
    if position >= len(template):
        return "a {{ is not closed by }}"
    return f'unexpected "{template[position : position + 10]}" in an action'
