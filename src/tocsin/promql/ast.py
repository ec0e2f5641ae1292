"""The syntax tree of a query: immutable, typed nodes that compare and hash by content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tocsin.model import Matcher


class ValueType(StrEnum):
    """The four types of PromQL."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


class Boundary(StrEnum):
    """The moving arguments of the ``@`` modifier."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number; durations stand as seconds."""

    value: float


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string without its quotes and escapes."""

    value: str


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """``name{matchers} offset … @ …``; the metric name is one of the matchers."""

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at: int | Boundary | None = None


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """``selector[range]``."""

    selector: VectorSelector
    range_ms: int


@dataclass(frozen=True, slots=True)
class Subquery:
    """``expr[range:step] offset … @ …``; without a step the engine's default holds."""

    expr: Expr
    range_ms: int
    step_ms: int | None
    offset_ms: int = 0
    at: int | Boundary | None = None


@dataclass(frozen=True, slots=True)
class Negation:
    """``-expr``."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which labels make a group: those named, or all but those named and the metric name."""

    names: frozenset[str]
    without: bool


class Cardinality(StrEnum):
    """Which side of a match may have several series."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class Matching:
    """How the series of two vectors find each other."""

    on: Grouping
    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """``lhs op rhs``."""

    op: str
    lhs: Expr
    rhs: Expr
    matching: Matching
    returns_bool: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments)``."""

    function: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """``op by (…) (parameter, expr)``."""

    op: str
    expr: Expr
    parameter: Expr | None
    grouping: Grouping


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Negation
    | Binary
    | Call
    | Aggregation
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside one."""
    match expr:
        case MatrixSelector(selector):
            return (selector,)
        case Subquery(inner) | Negation(inner):
            return (inner,)
        case Binary(_, lhs, rhs):
            return (lhs, rhs)
        case Call(_, arguments):
            return arguments
        case Aggregation(_, inner, parameter):
            return (inner,) if parameter is None else (parameter, inner)
        case _:
            return ()
