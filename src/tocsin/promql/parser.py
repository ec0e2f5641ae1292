"""From text to syntax tree: ``promql_parser`` reads the grammar, this turns its answer into ours.

Where the two languages differ in what they say, Prometheus' meaning is restored: negative times
after ``@`` and bytes written as escapes in strings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from tocsin.errors import QuerySyntaxError
from tocsin.model import Matcher, MatchType
from tocsin.model.regex import checked_regex
from tocsin.promql import syntax
from tocsin.promql.ast import (
    Aggregation,
    Binary,
    Boundary,
    Call,
    Cardinality,
    Expr,
    Grouping,
    Matching,
    MatrixSelector,
    Negation,
    NumberLiteral,
    StringLiteral,
    Subquery,
    VectorSelector,
)
from tocsin.promql.checker import check


def parse(query: str, *, enable_experimental: bool = False) -> Expr:
    """Read a query.

    Raises QuerySyntaxError, whose sentence begins with line and column, for what is not PromQL,
    is ill-typed, or is experimental while experiments are off.

    >>> parse("1 + 2").op
    '+'
    """
    return _parse(query, enable_experimental)


@lru_cache(maxsize=32768)
def _parse(query: str, enable_experimental: bool) -> Expr:  # noqa: FBT001 - positional so that the cache has one key
    try:
        prepared = syntax.prepare(query)
        tree = _Builder(prepared.negative_times).build(syntax.read(prepared.text))
        check(tree, enable_experimental=enable_experimental)
    except (ValueError, OverflowError) as error:
        raise QuerySyntaxError(syntax.explain(query, error)) from None
    return tree


def parse_selector(selector: str) -> tuple[Matcher, ...]:
    """Read a series selector, as in ``match[]``; raises QuerySyntaxError for anything else."""
    tree = parse(selector)
    if not isinstance(tree, VectorSelector) or tree.offset_ms or tree.at is not None:
        raise QuerySyntaxError(
            f'1:1: parse error: "{selector}" is no series selector (allowed is: name{{label="value", …}})'
        )
    return tree.matchers


def format_query(query: str) -> str:
    """Write a query prettily; raises QuerySyntaxError for what :func:`parse` refuses."""
    parse(query, enable_experimental=True)
    return str(syntax.read(query).prettify())


class _Builder:
    """Turns the library's nodes into ours, in the order in which the text has them."""

    def __init__(self, negative_times: Sequence[bool]) -> None:
        self._negative_times = iter(negative_times)
        self._depth = 0

    def build(self, node: Any) -> Expr:
        if self._depth == syntax.MAX_DEPTH:
            raise ValueError(f"query is nested too deeply: at most {syntax.MAX_DEPTH} levels")
        self._depth += 1
        expr = _BUILDERS[type(node).__name__](self, node)
        self._depth -= 1
        return expr

    def number(self, node: Any) -> Expr:
        return NumberLiteral(node.val)

    def string(self, node: Any) -> Expr:
        return StringLiteral(node.val)

    def paren(self, node: Any) -> Expr:
        return self.build(node.expr)

    def negation(self, node: Any) -> Expr:
        return Negation(self.build(node.expr))

    def vector_selector(self, node: Any) -> VectorSelector:
        if node.matchers.or_matchers:
            raise ValueError('unexpected "or" inside braces, expected "," or "}"')
        matchers = [_matcher(matcher) for matcher in node.matchers.matchers]
        if node.name is not None:
            matchers.insert(0, Matcher.metric(node.name))
        return VectorSelector(tuple(matchers), _duration_ms(node.offset), self._at(node.at))

    def matrix_selector(self, node: Any) -> Expr:
        return MatrixSelector(self.vector_selector(node.vector_selector), _duration_ms(node.range))

    def subquery(self, node: Any) -> Expr:
        expr = self.build(node.expr)
        step_ms = None if node.step is None else _duration_ms(node.step)
        return Subquery(expr, _duration_ms(node.range), step_ms, _duration_ms(node.offset), self._at(node.at))

    def binary(self, node: Any) -> Expr:
        lhs, rhs = self.build(node.lhs), self.build(node.rhs)
        modifier = node.modifier
        returns_bool = modifier is not None and modifier.return_bool
        return Binary(str(node.op), lhs, rhs, _matching(str(node.op), modifier), returns_bool)

    def call(self, node: Any) -> Expr:
        return Call(node.func.name, tuple(self.build(argument) for argument in node.args))

    def aggregation(self, node: Any) -> Expr:
        parameter = None if node.param is None else self.build(node.param)
        expr = self.build(node.expr)
        return Aggregation(str(node.op), expr, parameter, _grouping(node.modifier))

    def _at(self, at: Any) -> int | Boundary | None:
        if at is None:
            return None
        kind = str(at.type).rpartition(".")[2]
        if kind != "At":
            return Boundary(kind.lower())
        time_ms: int = round(at.at.timestamp() * 1000)
        return -time_ms if next(self._negative_times) else time_ms


_BUILDERS: Final[dict[str, Callable[[_Builder, Any], Expr]]] = {
    "NumberLiteral": _Builder.number,
    "StringLiteral": _Builder.string,
    "ParenExpr": _Builder.paren,
    "UnaryExpr": _Builder.negation,
    "VectorSelector": _Builder.vector_selector,
    "MatrixSelector": _Builder.matrix_selector,
    "SubqueryExpr": _Builder.subquery,
    "BinaryExpr": _Builder.binary,
    "Call": _Builder.call,
    "AggregateExpr": _Builder.aggregation,
}

_MATCH_TYPES: Final = {
    "Equal": MatchType.EQUAL,
    "NotEqual": MatchType.NOT_EQUAL,
    "Re": MatchType.REGEX,
    "NotRe": MatchType.NOT_REGEX,
}

_CARDINALITIES: Final = {
    "OneToOne": Cardinality.ONE_TO_ONE,
    "ManyToOne": Cardinality.MANY_TO_ONE,
    "OneToMany": Cardinality.ONE_TO_MANY,
    "ManyToMany": Cardinality.MANY_TO_MANY,
}

_SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
_ALL: Final = Grouping(frozenset(), without=False)
_EVERY_LABEL: Final = Grouping(frozenset(), without=True)


def _matcher(node: Any) -> Matcher:
    match_type = _MATCH_TYPES[str(node.op).rpartition(".")[2]]
    is_regex = match_type in (MatchType.REGEX, MatchType.NOT_REGEX)
    return Matcher(node.name, match_type, checked_regex(node.value) if is_regex else node.value)


def _duration_ms(duration: timedelta | None) -> int:
    return 0 if duration is None else duration // timedelta(milliseconds=1)


def _grouping(modifier: Any) -> Grouping:
    if modifier is None:
        return _ALL
    return Grouping(frozenset(modifier.labels), without=str(modifier.type).endswith("Without"))


def _matching(op: str, modifier: Any) -> Matching:
    if modifier is None:
        is_set = op in _SET_OPERATORS
        return Matching(_EVERY_LABEL, Cardinality.MANY_TO_MANY if is_set else Cardinality.ONE_TO_ONE)
    on = _EVERY_LABEL
    if modifier.matching is not None:
        excluded = str(modifier.matching.type).endswith("Exclude")
        on = Grouping(frozenset(modifier.matching.labels), without=excluded)
    fill = modifier.fill_values
    cardinality = _CARDINALITIES[str(modifier.card).rpartition(".")[2]]
    return Matching(on, cardinality, tuple(modifier.group_labels or ()), fill.lhs, fill.rhs)
