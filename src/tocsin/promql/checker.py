"""What must hold of a query beyond its grammar and types."""

from __future__ import annotations

from typing import Final

from tocsin.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    Negation,
    NumberLiteral,
    StringLiteral,
    Subquery,
    ValueType,
    children,
)
from tocsin.promql.functions.base import Function
from tocsin.promql.functions.table import TABLE

_EXPERIMENTAL_AGGREGATIONS: Final = frozenset({"limitk", "limit_ratio"})
_SPOKEN: Final = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "instant vector",
    ValueType.MATRIX: "range vector",
    ValueType.STRING: "string",
}
_HISTOGRAM_OPERATORS: Final = frozenset({"</", ">/"})


def check(expr: Expr, *, enable_experimental: bool) -> None:
    """Raise ValueError with one sentence for the first thing that cannot be evaluated."""
    match expr:
        case Call(name, arguments):
            _check_function(name, enable_experimental=enable_experimental)
            _check_arguments(TABLE[name], arguments)
        case Aggregation(op) if op in _EXPERIMENTAL_AGGREGATIONS and not enable_experimental:
            raise ValueError(f"{op}() is experimental and must be enabled")
        case Aggregation(op, inner, parameter):
            _check_aggregation(op, inner, parameter)
        case Binary():
            _check_operator(expr, enable_experimental=enable_experimental)
    for child in children(expr):
        check(child, enable_experimental=enable_experimental)


def _check_operator(expr: Binary, *, enable_experimental: bool) -> None:
    if expr.op in _HISTOGRAM_OPERATORS:
        raise ValueError(f'operator "{expr.op}" needs native histograms, which are not supported')
    has_fill = expr.matching.fill_left is not None or expr.matching.fill_right is not None
    if has_fill and not enable_experimental:
        raise ValueError("fill modifiers are experimental and must be enabled")
    for side in (expr.lhs, expr.rhs):
        if value_type(side) not in (ValueType.SCALAR, ValueType.VECTOR):
            raise ValueError("binary expression must contain only scalar and instant vector types")
        if expr.matching.cardinality is Cardinality.MANY_TO_MANY and value_type(side) is ValueType.SCALAR:
            raise ValueError(f"set operator '{expr.op}' not allowed in binary scalar expression")


def _check_arguments(function: Function, arguments: tuple[Expr, ...]) -> None:
    least, most = function.argument_counts
    if not least <= len(arguments) <= most:
        raise ValueError(
            f"expected {'at least ' if most > least else ''}{least} argument(s) "
            f"in call to '{function.name}', got {len(arguments)}"
        )
    for position, argument in enumerate(arguments):
        wanted = function.arguments[min(position, len(function.arguments) - 1)]
        if value_type(argument) is not wanted:
            raise ValueError(
                f"expected type {_SPOKEN[wanted]} in call to function '{function.name}', "
                f"got {_SPOKEN[value_type(argument)]}"
            )


def _check_aggregation(op: str, inner: Expr, parameter: Expr | None) -> None:
    wanted = ValueType.STRING if op == "count_values" else ValueType.SCALAR
    for part, kind in ((inner, ValueType.VECTOR), (parameter, wanted)):
        if part is not None and value_type(part) is not kind:
            raise ValueError(
                f"expected type {_SPOKEN[kind]} in aggregation expression '{op}', "
                f"got {_SPOKEN[value_type(part)]}"
            )


def _check_function(name: str, *, enable_experimental: bool) -> None:
    function = TABLE.get(name)
    if function is None:
        raise ValueError(f'function "{name}" is not supported')
    if function.needs_native_histograms:
        raise ValueError(f'function "{name}" needs native histograms, which are not supported')
    if function.experimental and not enable_experimental:
        raise ValueError(f'function "{name}" is experimental and must be enabled')


def value_type(expr: Expr) -> ValueType:
    """The type of an expression that the parser has accepted."""
    match expr:
        case NumberLiteral():
            return ValueType.SCALAR
        case StringLiteral():
            return ValueType.STRING
        case MatrixSelector() | Subquery():
            return ValueType.MATRIX
        case Call(name):
            return TABLE[name].returns
        case Negation(inner):
            return value_type(inner)
        case Binary(_, lhs, rhs):
            both = {value_type(lhs), value_type(rhs)}
            return ValueType.SCALAR if both == {ValueType.SCALAR} else ValueType.VECTOR
        case _:
            return ValueType.VECTOR
