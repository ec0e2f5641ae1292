"""What is done with the text of a query: preparing it for the parser and finding where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import promql_parser

MAX_DEPTH: Final = 200
MAX_OPERATORS: Final = 1000
"""The parser and the evaluator recurse; far beyond these bounds a process would run out of stack."""

_LONGEST_S: Final = 1e10
"""Longer than any data, and short enough that milliseconds and dates can hold it."""

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      |(?P<word>[A-Za-z_:][\w:]*)
      |(?P<number>(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d+|[A-Za-z_\d.]*))
      |(?P<open>[(\[{])
      |(?P<close>[)\]}])
      |(?P<operator>==|!=|<=|>=|=~|!~|[-+*/%^<>=])
      |(?P<at>@)
      |(?P<other>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)

_NUMBER: Final = re.compile(r"(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d+)?|inf|nan", re.ASCII | re.IGNORECASE)
_WORD_OPERATORS: Final = frozenset({"and", "or", "unless", "atan2"})
_BYTE_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([0-7]{3})|.)", re.DOTALL)
_BEFORE_DURATION: Final = frozenset({"offset", "offset-", "offset+", "@", "@-", "@+"})
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}
_UNREADABLE: Final = (
    "invalid promql query",
    "unexpected",
    "unclosed",
    "unterminated",
    "bad number",
    "no expression",
)
"""How messages begin that say of a text that its grammar, not its meaning, is wrong."""

_NAMED: Final = re.compile(
    r"""(?:function(?: with name)?|call to|operation|expression|set operator) ['"](\w+)['"]"""
)
_COMPARISONS: Final = frozenset({"==", "!=", "<", ">", "<=", ">="})
_GENERIC: Final = "invalid promql query"
_PANIC: Final = "PanicException"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Text for the parser, and for each time after ``@`` whether it was negative."""

    text: str
    negative_times: tuple[bool, ...]


class MisplacedError(ValueError):
    """What is wrong at a known place of the text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def prepare(query: str) -> Prepared:
    """Rewrite what the parser reads otherwise than Prometheus.

    Raises MisplacedError beyond the bounds and for numbers that the parser dies of.
    """
    out: list[str] = []
    negative_times: list[bool] = []
    opened: list[str] = []
    operators = 0
    before = ""
    for token in _TOKEN.finditer(query):
        kind, text = token.lastgroup, token.group()
        if kind == "space":
            out.append(text)
            continue
        operators += kind == "operator" or text.lower() in _WORD_OPERATORS
        if kind == "open":
            opened.append(text)
        elif kind == "close" and opened:
            opened.pop()
        _check_size(len(opened), operators, token.start())
        if kind in ("number", "word") and (before in _BEFORE_DURATION or opened[-1:] == ["["]):
            _check_duration(text, token.start())
        if before == "@-" and kind == "operator":
            raise MisplacedError(f'unexpected "{text}" in @, expected timestamp', token.start())
        if before == "@" and text != "start" and text != "end":
            negative_times.append(text == "-")
        out.append(_rewritten(kind, text, before))
        before = before + text if before in ("@", "offset") and text in ("-", "+") else text.lower()
    return Prepared("".join(out), tuple(negative_times))


def read(text: str) -> Any:
    """Have the library parse a text; raises ValueError when it cannot.

    This is the guard for its panics, which arrive as an exception that is no Exception.
    """
    try:
        return promql_parser.parse(text)
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise ValueError(_GENERIC) from None


def _check_size(depth: int, operators: int, offset: int) -> None:
    if depth > MAX_DEPTH or operators > MAX_OPERATORS:
        message = f"query is too large: at most {MAX_DEPTH} nested brackets and {MAX_OPERATORS} operators"
        raise MisplacedError(message, offset)


def _check_duration(text: str, offset: int) -> None:
    # A colon may be part of a word, so range and step of a subquery can stand in one token.
    for number in filter(_NUMBER.fullmatch, text.split(":")):
        if not float(number) <= _LONGEST_S:
            message = f'duration out of range: "{number}" s (allowed are up to {_LONGEST_S:.0e} s)'
            raise MisplacedError(message, offset)


def _rewritten(kind: str | None, text: str, before: str) -> str:
    if kind == "string":
        return _decode_bytes(text)
    return "" if before == "@" and text == "-" else text


def _decode_bytes(literal: str) -> str:
    """Write runs of escaped bytes as the characters they encode, as Go reads them."""
    if literal[0] == "`" or "\\" not in literal:
        return literal
    out: list[str] = []
    pending = bytearray()
    end = 0
    for escape in _BYTE_ESCAPE.finditer(literal):
        hexadecimal, octal = escape.groups()
        if pending and escape.start() != end:
            out.append(_flush(pending))
        out.append(literal[end : escape.start()])
        code = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else 0
        if 0x80 <= code <= 0xFF:
            pending.append(code)
        else:
            out.append(_flush(pending))
            out.append(escape.group())
        end = escape.end()
    return "".join([*out, _flush(pending), literal[end:]])


def _flush(pending: bytearray) -> str:
    text = pending.decode("utf-8", errors="replace")
    pending.clear()
    return text


def explain(query: str, error: Exception) -> str:
    """One sentence on why a query is refused, which begins with line and column, both from 1.

    The parser gives no position. A name that the message quotes is looked for; else the place is
    the first token after which no continuation can be read any more.
    """
    tokens = [token for token in _TOKEN.finditer(query) if token.lastgroup != "space"]
    offset = error.offset if isinstance(error, MisplacedError) else _named_place(tokens, str(error))
    if offset is None:
        offset = _first_hopeless(query, tokens, str(error))
    line_start = query.rfind("\n", 0, offset) + 1
    line, column = query.count("\n", 0, offset) + 1, offset - line_start + 1
    return f"{line}:{column}: parse error: {_reason(tokens, offset, str(error))}"


def _reason(tokens: list[re.Match[str]], offset: int, message: str) -> str:
    if message != _GENERIC:
        return message
    found = next((token.group() for token in tokens if token.start() == offset), None)
    return "unexpected end of input" if found is None else f'unexpected "{found}"'


def _named_place(tokens: list[re.Match[str]], message: str) -> int | None:
    """The place of what a message names, where that occurs just once."""
    quoted = _NAMED.search(message)
    if quoted is not None:
        places = [token.start() for token in tokens if token.group() == quoted[1]]
    elif message.startswith("comparisons between scalars"):
        places = [token.start() for token in tokens if token.group() in _COMPARISONS]
    else:
        return None
    return places[0] if len(places) == 1 else None


def _first_hopeless(query: str, tokens: list[re.Match[str]], message: str) -> int:
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        prefix = query[: tokens[middle].end()]
        if _has_hope(prefix, tokens[: middle + 1], message):
            low = middle + 1
        else:
            high = middle
    return tokens[low].start() if low < len(tokens) else len(query.rstrip())


def _has_hope(prefix: str, tokens: list[re.Match[str]], message: str) -> bool:
    """Whether some ending makes the prefix readable, or wrong in another way than the whole."""
    for ending in _endings(tokens):
        try:
            read(prepare(prefix + ending).text)
        except MisplacedError:
            continue
        except ValueError as error:
            if str(error) != message and not str(error).startswith(_UNREADABLE):
                return True
        else:
            return True
    return False


def _endings(tokens: list[re.Match[str]]) -> Iterator[str]:
    opened: list[str] = []
    for token in tokens:
        if token.lastgroup == "open":
            opened.append(_CLOSERS[token.group()])
        elif token.lastgroup == "close" and opened:
            opened.pop()
    closing = "".join(reversed(opened))
    for filler in ("", " x", " (x)", " (x) (x)", " 1", "1m", '"x"', "x", '="x"', ' x="x"', " x[1m]"):
        yield filler + closing
