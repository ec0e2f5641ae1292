"""Answers in the form of Prometheus' HTTP API, and the one table that turns errors into them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tocsin.errors import (
    ParseError,
    QueryCancelledError,
    QueryError,
    QueryLimitError,
    QuerySyntaxError,
    SamplesRefusedError,
    SizeLimitError,
    StorageError,
    TocsinError,
    UsageError,
)
from tocsin.storage.remote import RefusedError

_logger = logging.getLogger(__name__)

# The first class that fits decides: HTTP status and Prometheus' errorType.
_STATUS_OF: Final[tuple[tuple[type[TocsinError], int, str], ...]] = (
    (SizeLimitError, 413, "bad_data"),
    (ParseError, 400, "bad_data"),
    (UsageError, 400, "bad_data"),
    (QuerySyntaxError, 400, "bad_data"),
    (QueryLimitError, 422, "execution"),
    (QueryCancelledError, 503, "canceled"),
    (QueryError, 422, "execution"),
    (SamplesRefusedError, 400, "bad_data"),
    (RefusedError, 400, "bad_data"),
    (StorageError, 503, "unavailable"),
    (TocsinError, 500, "internal"),
)

_TYPE_OF_STATUS: Final = {403: "forbidden", 404: "not_found", 503: "unavailable"}


def success(data: Any, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Response:
    """Answer with data; ``data`` may be an orjson.Fragment."""
    content = {"status": "success", "data": data}
    if warnings:
        content["warnings"] = list(warnings)
    if infos:
        content["infos"] = list(infos)
    return json_response(content)


def failure(status: int, error_type: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with one sentence that says what is wrong."""
    content = {"status": "error", "errorType": error_type, "error": message}
    return json_response(content, status, headers)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any JSON; NumPy arrays and StrEnums are written as they are."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return Response(body, status, dict(headers or {}), media_type="application/json")


async def on_tocsin_error(_request: Request, error: Exception) -> Response:
    """Answer for an error of ours."""
    status, error_type = next((s, t) for cls, s, t in _STATUS_OF if isinstance(error, cls))
    return failure(status, error_type, str(error))


def status_of(error: TocsinError) -> int:
    """The HTTP status that an error of ours is answered with."""
    return next(status for cls, status, _ in _STATUS_OF if isinstance(error, cls))


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer for an unknown path, a wrong method and the like."""
    if not isinstance(error, HTTPException):
        raise error
    error_type = _TYPE_OF_STATUS.get(error.status_code, "bad_data")
    return failure(error.status_code, error_type, error.detail, error.headers)


async def on_unexpected_error(request: Request, error: Exception) -> Response:
    """Answer for a fault of tocsin; the log holds the details."""
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return failure(500, "internal", "tocsin failed to answer; its log says more")
