"""Asks the engine on behalf of rules and templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model import Labels
from tocsin.promql.ast import ValueType
from tocsin.promql.result import Result
from tocsin.rules.errors import RuleError
from tocsin.rules.template import QueryFunction


class InstantEngine(Protocol):
    """What is needed of an engine."""

    def instant(self, query: str, at_ms: int) -> Result:
        """Answer a query at one time; raises QueryError."""
        ...


def query_by(engine: InstantEngine) -> QueryFunction:
    """A function that answers queries with vectors; a scalar counts as a vector of one nameless series."""

    def query(expression: str, at_ms: int) -> Sequence[tuple[Labels, float]]:
        result = engine.instant(expression, at_ms)
        if result.type not in {ValueType.VECTOR, ValueType.SCALAR}:
            raise RuleError("rule result is not a vector or scalar")
        return result.samples()

    return query
