"""Endpoints that evaluate PromQL."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol, TypedDict

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import UsageError
from tocsin.promql import QueryLimits, QueryStats, Result
from tocsin.promql.values import is_common
from tocsin.web.parameters import Parameters
from tocsin.web.points import number_texts, point_lists, time_text
from tocsin.web.responses import success
from tocsin.web.services import Services

_BOTH: Final = ["GET", "POST"]

MAX_STEPS: Final = 11_000
"""The most points a series may have in the answer to a range query, as in Prometheus."""


class _Options(TypedDict):
    limits: QueryLimits
    lookback_ms: int | None


class _Evaluate(Protocol):
    def __call__(self, *, cancelled: threading.Event | None, quickly: bool) -> Result: ...


class QueryApi:
    """``/api/v1/query`` and ``/api/v1/query_range``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/api/v1/query", self.instant, methods=_BOTH),
            Route("/api/v1/query_range", self.range, methods=_BOTH),
        )

    async def instant(self, request: Request) -> Response:
        """The value of an expression at one time, which is now unless it is given."""
        parameters = await Parameters.of(request)
        query = parameters.text("query")
        at_ms = parameters.time_ms("time", self._services.clock.now_ms())
        options = self._options(parameters)
        engine = self._services.engine
        return await self._answer(
            request,
            parameters,
            partial(engine.instant, query, at_ms, **options),
            query,
        )

    async def range(self, request: Request) -> Response:
        """The values of an expression at times that are a step apart."""
        parameters = await Parameters.of(request)
        query = parameters.text("query")
        start_ms, end_ms = parameters.time_ms("start"), parameters.time_ms("end")
        step_ms = _checked_step_ms(parameters.duration_ms("step"), start_ms, end_ms)
        options = self._options(parameters)
        engine = self._services.engine
        return await self._answer(
            request,
            parameters,
            partial(engine.range, query, start_ms, end_ms, step_ms, **options),
            (query, end_ms - start_ms, step_ms),
        )

    def _options(self, parameters: Parameters) -> _Options:
        """What a request may ask for: to be given up sooner, and to look back less or further."""
        config = self._services.settings.query
        timeout_ms = min(parameters.duration_ms("timeout") or config.timeout, config.timeout)
        limits = QueryLimits(config.max_samples, config.max_series, timeout_ms / 1000)
        return {"limits": limits, "lookback_ms": parameters.duration_ms("lookback_delta")}

    async def _answer(
        self, request: Request, parameters: Parameters, evaluate: _Evaluate, question: Hashable
    ) -> Response:
        limit = parameters.count("limit") or None
        wants_stats = parameters.optional("stats") is not None

        def work(cancelled: threading.Event | None, *, quickly: bool) -> Response:
            result = evaluate(cancelled=cancelled, quickly=quickly)
            data = result_data(result, limit)
            if wants_stats:
                data["stats"] = _stats(result.stats)
            return success(data, _warnings(result, limit), result.infos)

        return await self._services.queries.answer(request, work, question)


def _warnings(result: Result, limit: int | None) -> Sequence[str]:
    is_cut = limit is not None and len(result.labels) > limit
    return [*result.warnings, "results truncated due to limit"] if is_cut else result.warnings


def _stats(stats: QueryStats) -> dict[str, Any]:
    return {
        "timings": {"evalTotalTime": stats.duration_s, "execTotalTime": stats.duration_s},
        "samples": {"totalQueryableSamples": stats.samples, "selectedSeries": stats.series},
    }


def _checked_step_ms(step_ms: int | None, start_ms: int, end_ms: int) -> int:
    if step_ms is None:
        raise UsageError('the parameter "step" is missing')
    if step_ms <= 0:
        raise UsageError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    if end_ms < start_ms:
        raise UsageError('invalid parameter "end": end timestamp must not be before start time')
    if (end_ms - start_ms) // step_ms >= MAX_STEPS:
        raise UsageError(
            f"exceeded maximum resolution of {MAX_STEPS:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    return step_ms


def result_data(result: Result, limit: int | None = None) -> dict[str, Any]:
    """The ``data`` of an answer; ``limit`` cuts the number of series."""
    match result.type:
        case "scalar":
            return {"resultType": "scalar", "result": _point(result, 0)}
        case "string":
            return {"resultType": "string", "result": [_time(result), result.string]}
        case "vector":
            return {"resultType": "vector", "result": _vector(result, limit)}
        case _:
            return {"resultType": "matrix", "result": _matrix(result, limit)}


def _time(result: Result) -> orjson.Fragment:
    return orjson.Fragment(time_text(int(result.timestamps_ms[0])))


def _point(result: Result, row: int) -> list[Any]:
    return [_time(result), number_texts(result.values[row, :1])[0].decode()]


def _vector(result: Result, limit: int | None) -> list[dict[str, Any]]:
    time = _time(result)
    texts = number_texts(result.values[:limit, 0])
    return [
        {"metric": dict(labels.pairs), "value": [time, text.decode()]}
        for labels, text in zip(result.labels[:limit], texts, strict=True)
    ]


def _matrix(result: Result, limit: int | None) -> list[dict[str, Any]]:
    return [
        {"metric": dict(labels.pairs), "values": orjson.Fragment(points)}
        for labels, points in zip(result.labels[:limit], _point_lists(result, limit), strict=True)
    ]


def _point_lists(result: Result, limit: int | None) -> list[bytes]:
    times_ms, values, present = result.timestamps_ms, result.values[:limit], result.present
    if times_ms.ndim > 1:
        own = islice(result.series(), limit)
        return [point_lists(times_ms, values[None])[0] for _, times_ms, values in own]
    if present is not None and is_common(present):
        columns = np.flatnonzero(present[0])
        return point_lists(times_ms[columns], values[:, columns])
    return point_lists(times_ms, values, None if present is None else present[:limit])
