"""Endpoints that say which series, labels and metrics exist."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import UsageError
from tocsin.model import Labels
from tocsin.promql import parse_selector
from tocsin.web.parameters import Parameters
from tocsin.web.responses import success
from tocsin.web.services import Services

T = TypeVar("T")

_BOTH: Final = ["GET", "POST"]
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

# Without a start or end, everything that is stored counts.
_BEGINNING_MS: Final = -(2**53)
_END_MS: Final = 2**53


class SeriesApi:
    """``/api/v1/series``, ``labels``, ``label/<name>/values`` and ``metadata``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/api/v1/series", self.series, methods=_BOTH),
            Route("/api/v1/labels", self.labels, methods=_BOTH),
            Route("/api/v1/label/{name}/values", self.label_values),
            Route("/api/v1/metadata", self.metadata),
        )

    async def series(self, request: Request) -> Response:
        """The label sets that satisfy at least one of several selectors."""
        parameters = await Parameters.of(request)
        if not parameters.texts("match"):
            raise UsageError('the parameter "match[]" is missing: at least one selector is needed')
        found = await self._find(request, parameters)
        return success([dict(labels.pairs) for labels in _limited(found, parameters)])

    async def labels(self, request: Request) -> Response:
        """The names of all labels."""
        parameters = await Parameters.of(request)
        found = await self._find(request, parameters)
        return success(_limited(sorted({name for labels in found for name in labels}), parameters))

    async def label_values(self, request: Request) -> Response:
        """The values of one label."""
        name = request.path_params["name"]
        if not _LABEL_NAME.fullmatch(name):
            raise UsageError(f'not a label name: "{name[:80]}"')
        parameters = await Parameters.of(request)
        found = await self._find(request, parameters)
        values = {labels[name] for labels in found if name in labels}
        return success(_limited(sorted(values), parameters))

    async def metadata(self, request: Request) -> Response:
        """Type, help and unit of metrics."""
        parameters = await Parameters.of(request)
        wanted = parameters.optional("metric")
        known = sorted(self._services.storage.metadata().items())
        chosen = [(name, item) for name, item in known if wanted in {None, name}]
        return success(
            {
                name: [{"type": item.type, "help": item.help, "unit": item.unit}]
                for name, item in _limited(chosen, parameters)
            }
        )

    async def _find(self, request: Request, parameters: Parameters) -> list[Labels]:
        """The series of all selectors together, sorted; without a selector all series."""
        selectors = [parse_selector(text) for text in parameters.texts("match")] or [()]
        start_ms = parameters.time_ms("start", _BEGINNING_MS)
        end_ms = parameters.time_ms("end", _END_MS)
        if end_ms < start_ms:
            raise UsageError("the end of the range lies before its start")
        storage = self._services.storage
        return await self._services.queries.run(
            request,
            lambda _cancelled: sorted(
                {labels for matchers in selectors for labels in storage.series(matchers, start_ms, end_ms)}
            ),
        )


def _limited(found: list[T], parameters: Parameters) -> list[T]:
    """Cut a list to the ``limit`` that was asked for; 0 means all."""
    return found[: parameters.count("limit") or None]
