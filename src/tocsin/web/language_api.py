"""Endpoints about queries themselves: formatting, syntax trees, the functions there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.promql import format_query, parse
from tocsin.promql.functions.table import TABLE
from tocsin.web.parameters import Parameters
from tocsin.web.responses import success
from tocsin.web.services import Services
from tocsin.web.syntax_json import function_json, syntax_json

_BOTH: Final = ["GET", "POST"]


class LanguageApi:
    """``/api/v1/format_query``, ``parse_query`` and ``query_exemplars``; ``/api/tocsin/promql/functions``."""

    def __init__(self, services: Services) -> None:
        self._enable_experimental = services.settings.query.experimental_functions

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/api/v1/format_query", self.format_query, methods=_BOTH),
            Route("/api/v1/parse_query", self.parse_query, methods=_BOTH),
            Route("/api/v1/query_exemplars", self.query_exemplars, methods=_BOTH),
            Route("/api/tocsin/promql/functions", self.functions),
        )

    async def format_query(self, request: Request) -> Response:
        """A query written prettily."""
        parameters = await Parameters.of(request)
        return success(format_query(parameters.text("query")))

    async def parse_query(self, request: Request) -> Response:
        """The syntax tree of a query."""
        parameters = await Parameters.of(request)
        query = parameters.text("query")
        return success(syntax_json(parse(query, enable_experimental=self._enable_experimental)))

    async def query_exemplars(self, request: Request) -> Response:
        """No exemplars: they are not stored."""
        parameters = await Parameters.of(request)
        parse(parameters.text("query"), enable_experimental=self._enable_experimental)
        return success([])

    async def functions(self, _request: Request) -> Response:
        """Every function: its arguments, its result and one sentence."""
        described = [
            {**function_json(name), "experimental": function.experimental, "summary": function.summary}
            for name, function in sorted(TABLE.items())
        ]
        return success(described)
