"""Syntax trees in the JSON of Prometheus' ``/api/v1/parse_query``."""

from __future__ import annotations

from typing import Any

from tocsin.model import METRIC_NAME, MatchType
from tocsin.promql.ast import (
    Aggregation,
    Binary,
    Boundary,
    Call,
    Cardinality,
    Expr,
    Matching,
    MatrixSelector,
    Negation,
    NumberLiteral,
    StringLiteral,
    Subquery,
    VectorSelector,
)
from tocsin.promql.functions.table import TABLE


def syntax_json(expr: Expr) -> dict[str, Any]:
    """A tree as plain data; parentheses are not kept, the tree itself says what belongs together."""
    match expr:
        case NumberLiteral(value):
            return {"type": "numberLiteral", "val": f"{value:g}"}
        case StringLiteral(text):
            return {"type": "stringLiteral", "val": text}
        case VectorSelector():
            return {"type": "vectorSelector", **_selector(expr)}
        case MatrixSelector(selector, range_ms):
            return {"type": "matrixSelector", "range": range_ms, **_selector(selector)}
        case Subquery():
            return _subquery(expr)
        case Negation(inner):
            return {"type": "unaryExpr", "op": "-", "expr": syntax_json(inner)}
        case Binary():
            return _binary(expr)
        case Call(name, arguments):
            return {"type": "call", "func": function_json(name), "args": [syntax_json(a) for a in arguments]}
        case Aggregation():
            return _aggregation(expr)


def function_json(name: str) -> dict[str, Any]:
    """One line of the function table."""
    function = TABLE[name]
    return {
        "name": name,
        "argTypes": [kind.value for kind in function.arguments],
        "variadic": function.variadic,
        "returnType": function.returns.value,
    }


def _selector(selector: VectorSelector) -> dict[str, Any]:
    name = next(
        (m.value for m in selector.matchers if m.name == METRIC_NAME and m.type is MatchType.EQUAL), ""
    )
    return {
        "name": name,
        "matchers": [{"name": m.name, "type": m.type.value, "value": m.value} for m in selector.matchers],
        "offset": selector.offset_ms,
        **_at(selector.at),
    }


def _at(at: int | Boundary | None) -> dict[str, Any]:
    if isinstance(at, Boundary):
        return {"timestamp": None, "startOrEnd": at.value}
    return {"timestamp": at, "startOrEnd": None}


def _subquery(subquery: Subquery) -> dict[str, Any]:
    return {
        "type": "subquery",
        "expr": syntax_json(subquery.expr),
        "range": subquery.range_ms,
        "step": subquery.step_ms or 0,
        "offset": subquery.offset_ms,
        **_at(subquery.at),
    }


def _binary(binary: Binary) -> dict[str, Any]:
    return {
        "type": "binaryExpr",
        "op": binary.op,
        "bool": binary.returns_bool,
        "lhs": syntax_json(binary.lhs),
        "rhs": syntax_json(binary.rhs),
        "matching": _matching(binary.matching),
    }


def _matching(matching: Matching) -> dict[str, Any]:
    return {
        "card": Cardinality(matching.cardinality).value,
        "labels": sorted(matching.on.names),
        "on": not matching.on.without,
        "include": list(matching.include),
    }


def _aggregation(aggregation: Aggregation) -> dict[str, Any]:
    parameter = aggregation.parameter
    return {
        "type": "aggregation",
        "op": aggregation.op,
        "expr": syntax_json(aggregation.expr),
        "param": None if parameter is None else syntax_json(parameter),
        "grouping": sorted(aggregation.grouping.names),
        "without": aggregation.grouping.without,
    }
