"""Functions of every kind, wrapped so that each call is a request."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.request import Request
from tocsin.sdk.inference.streams import Chunks, Count, WatchedAsyncStream, WatchedStream


def watched(
    function: Callable[..., Any],
    request_of: Callable[[], Request],
    tokens: Count | None,
    guard: Guard,
) -> Callable[..., Any]:
    """A function that does the same, and is measured.

    ``tokens`` says how many output tokens a result holds or, where the function is a generator, a chunk;
    every chunk is one token otherwise.
    """
    kind = _kind(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with request_of() as request:
            result = function(*args, **kwargs)
            _count(request, result, tokens, guard)
            return result

    @functools.wraps(function)
    async def await_call(*args: Any, **kwargs: Any) -> Any:
        with request_of() as request:
            result = await function(*args, **kwargs)
            _count(request, result, tokens, guard)
            return result

    @functools.wraps(function)
    def stream_call(*args: Any, **kwargs: Any) -> Any:
        chunks = Chunks(request_of(), tokens, guard)
        source = function(*args, **kwargs)
        return (WatchedAsyncStream if kind == "async stream" else WatchedStream)(source, chunks)

    return {"function": call, "coroutine": await_call, "stream": stream_call, "async stream": stream_call}[
        kind
    ]


def _kind(function: Callable[..., Any]) -> str:
    # An object that is called like a function is what its __call__ is.
    for each in (function, getattr(function, "__call__", None)):  # noqa: B004
        if inspect.isasyncgenfunction(each):
            return "async stream"
        if inspect.isgeneratorfunction(each):
            return "stream"
        if inspect.iscoroutinefunction(each):
            return "coroutine"
    return "function"


def _count(request: Request, result: Any, tokens: Count | None, guard: Guard) -> None:
    if tokens is not None:
        with guard.around("tokens", "the tokens of a result cannot be counted"):
            request.tokens = tokens(result)
