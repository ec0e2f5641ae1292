"""The commands of a promqltest script, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import ParseError
from tocsin.model import Labels, parse_duration_ms
from tocsin.promql.points import Point, parse_points, parse_series


@dataclass(frozen=True, slots=True)
class Load:
    """Add samples, the first at time 0 and one every ``step_ms``."""

    line: int
    step_ms: int
    series: list[tuple[Labels, list[Point]]]


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget all samples."""

    line: int


@dataclass(slots=True)
class Eval:
    """Evaluate a query and compare; an instant one has a ``step_ms`` of 0."""

    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int
    expects: dict[str, tuple[str, str]] = field(default_factory=dict)
    rows: list[tuple[Labels, list[Point]]] = field(default_factory=list)
    scalar: float | None = None
    string: str | None = None
    matrix_times_ms: range | None = None

    @property
    def is_instant(self) -> bool:
        """Whether it is evaluated at one time."""
        return self.step_ms == 0


Command = Load | Clear | Eval

_EVAL: Final = re.compile(
    r"eval(?:_(?P<kind>fail|warn|info|ordered))?\s+"
    r"(?:instant\s+(?:at\s+(?P<at>\S+)\s+)?|range\s+from\s+(?P<start>\S+)\s+to\s+(?P<end>\S+)\s+step\s+(?P<step>\S+)\s+)"
    r"(?P<query>.+)"
)
_LOAD: Final = re.compile(r"load(?:_with_nhcb)?\s+(\S+)")
_EXPECT: Final = re.compile(
    r"expect\s+(?P<what>fail|warn|info|no_warn|no_info|ordered)(?:\s+(?P<how>msg|regex):\s*(?P<text>.*))?"
)
_EXPECT_STRING: Final = re.compile(r"""expect\s+string\s+(?P<quote>["'`])(?P<text>.*)(?P=quote)""")
_EXPECT_RANGE: Final = re.compile(
    r"expect\s+range\s+vector\s+from\s+(?P<start>\S+)\s+to\s+(?P<end>\S+)\s+step\s+(?P<step>\S+)"
)


def read_script(text: str) -> list[Command]:
    """Read a script; raises ParseError with the line of what is not understood."""
    commands: list[Command] = []
    for number, lines in _paragraphs(text):
        try:
            commands.append(_command(number, lines))
        except ValueError as error:
            raise ParseError(str(error), line=number) from None
    return commands


def _paragraphs(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each command line with the lines below that belong to it."""
    start, lines = 0, list[str]()
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        begins = bool(line) and not raw[0].isspace()
        if lines and (begins or not line):
            yield start, lines
            lines = []
        if begins:
            start, lines = number, [line]
        elif line and lines:
            lines.append(line)
        elif line:
            raise ParseError(f'a line that belongs to no command: "{line}"', line=number)
    if lines:
        yield start, lines


def _command(number: int, lines: list[str]) -> Command:
    head, *body = lines
    if head == "clear":
        return Clear(number)
    if match := _LOAD.fullmatch(head):
        return Load(number, read_time_ms(match[1]), [parse_series(line) for line in body])
    if match := _EVAL.fullmatch(head):
        return _eval(number, match, body)
    raise ValueError(f'not a command: "{head}" (allowed are load, load_with_nhcb, clear and eval)')


def _eval(number: int, match: re.Match[str], body: list[str]) -> Eval:
    if match["step"]:
        start_ms, end_ms, step_ms = (read_time_ms(match[name]) for name in ("start", "end", "step"))
    else:
        start_ms = end_ms = read_time_ms(match["at"] or "0")
        step_ms = 0
    evaluation = Eval(number, match["query"], start_ms, end_ms, step_ms)
    if match["kind"]:
        evaluation.expects[match["kind"]] = ("", "")
    for line in body:
        _expectation(evaluation, line)
    return evaluation


def _expectation(evaluation: Eval, line: str) -> None:
    if match := _EXPECT.fullmatch(line):
        evaluation.expects[match["what"]] = (match["how"] or "", match["text"] or "")
    elif match := _EXPECT_STRING.fullmatch(line):
        evaluation.string = match["text"]
    elif match := _EXPECT_RANGE.fullmatch(line):
        start, end, step = (read_time_ms(match[name]) for name in ("start", "end", "step"))
        evaluation.matrix_times_ms = range(start, end + 1, step)
    elif line.startswith("expect"):
        raise ValueError(f'not an expectation: "{line}"')
    elif re.fullmatch(r"[+-]?[\d.]\S*|[+-]?(?:inf|nan)", line, re.IGNORECASE):
        points = list(parse_points(line))
        evaluation.scalar = points[0] if len(points) == 1 and isinstance(points[0], float) else None
    else:
        evaluation.rows.append(parse_series(line))


def read_time_ms(text: str) -> int:
    """A duration, or plain seconds, as milliseconds."""
    try:
        return round(float(text) * 1000)
    except ValueError:
        return -parse_duration_ms(text[1:]) if text.startswith("-") else parse_duration_ms(text)
