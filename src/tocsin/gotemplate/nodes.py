"""The syntax tree of a template; ``place`` says where a node stands, for errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: text, number, boolean or nil."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Dot:
    """The current value, with fields taken from it: ``.`` or ``.Labels.job``."""

    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, with fields taken from it: ``$labels.job``."""

    name: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """A pipeline in parentheses, with fields taken from it."""

    pipeline: Pipeline
    fields: tuple[str, ...] = ()


Operand: TypeAlias = Literal | Dot | Variable | Function | Group


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which gets the result of the one before as its last argument.

    The result goes to the variables named, which are new ones unless ``is_assignment``.
    """

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    is_assignment: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is written as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose result is written, unless it goes to a variable."""

    pipeline: Pipeline
    place: str = ""


@dataclass(frozen=True, slots=True)
class If:
    """``if`` … ``else`` … ``end``."""

    condition: Pipeline
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class With:
    """``with``: like ``if``, and the value becomes the dot."""

    value: Pipeline
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """``range``: the body once for each element."""

    values: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """``template``: another template, expanded here."""

    name: str
    argument: Pipeline | None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """Leave the innermost ``range``."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with the next element of the innermost ``range``."""


Node: TypeAlias = Text | Action | If | With | Range | Call | Break | Continue
