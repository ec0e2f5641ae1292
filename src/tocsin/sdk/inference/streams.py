"""Iterators that measure what passes through them, and otherwise are what they were made of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.request import Request

Count = Callable[[Any], float]
"""How many output tokens a chunk holds."""


class Chunks:
    """What passes: each chunk is counted, and the end of the stream is the end of the request."""

    def __init__(self, request: Request, count: Count | None, guard: Guard) -> None:
        self.request = request
        self._count = count
        self._guard = guard

    def passed(self, chunk: Any) -> None:
        """Count a chunk: one token, or as many as ``count`` says."""
        if self._count is None:
            self.request.token()
            return
        with self._guard.around("tokens", "the tokens of a chunk cannot be counted"):
            self.request.token(self._count(chunk))


class WatchedStream(Generator[Any, Any, Any]):
    """An iterator or generator that is measured; its other attributes are those of its source.

    Chunks, exceptions and what a generator returns pass unchanged. A stream that is left before its end
    counts as ``abort``.
    """

    def __init__(self, source: Iterable[Any], chunks: Chunks) -> None:
        self._chunks = chunks
        self._source = source
        self._iterator: Any = None

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on, as a generator does."""
        return self._step(lambda: next(self._begun()) if value is None else self._begun().send(value))

    def throw(
        self,
        kind: Any,
        value: Any = None,
        traceback: TracebackType | None = None,
        /,
    ) -> Any:
        """Raise inside the source, as a generator does."""
        fault: BaseException = kind if value is None else value
        if not hasattr(self._begun(), "throw"):
            self._chunks.request.end(fault)
            raise fault
        return self._step(lambda: self._begun().throw(fault))

    def close(self) -> None:
        """Leave the stream, and let the source know where it can be told."""
        try:
            target = self._source if self._iterator is None else self._iterator
            if hasattr(target, "close"):
                target.close()
        finally:
            self._chunks.request.end(GeneratorExit())

    def _begun(self) -> Any:
        if self._iterator is None:
            self._chunks.request.begin()
            self._iterator = iter(self._source)
        return self._iterator

    def _step(self, go_on: Callable[[], Any]) -> Any:
        try:
            chunk = go_on()
        except StopIteration:
            self._chunks.request.end()
            raise
        except BaseException as fault:
            self._chunks.request.end(fault)
            raise
        self._chunks.passed(chunk)
        return chunk

    def __del__(self) -> None:
        self._chunks.request.end(GeneratorExit())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_source"], name)


class WatchedAsyncStream(AsyncGenerator[Any, Any]):
    """The same of asynchronous iterators and generators."""

    def __init__(self, source: AsyncIterable[Any], chunks: Chunks) -> None:
        self._chunks = chunks
        self._source = source
        self._iterator: Any = None

    async def __anext__(self) -> Any:
        return await self.asend(None)

    async def asend(self, value: Any) -> Any:
        """Go on, as an asynchronous generator does."""
        return await self._step(lambda: anext(self._begun()) if value is None else self._begun().asend(value))

    async def athrow(
        self,
        kind: Any,
        value: Any = None,
        traceback: TracebackType | None = None,
        /,
    ) -> Any:
        """Raise inside the source, as an asynchronous generator does."""
        fault: BaseException = kind if value is None else value
        if not hasattr(self._begun(), "athrow"):
            self._chunks.request.end(fault)
            raise fault
        return await self._step(lambda: self._begun().athrow(fault))

    async def aclose(self) -> None:
        """Leave the stream, and let the source know where it can be told."""
        try:
            target = self._source if self._iterator is None else self._iterator
            if hasattr(target, "aclose"):
                await target.aclose()
        finally:
            self._chunks.request.end(GeneratorExit())

    def _begun(self) -> Any:
        if self._iterator is None:
            self._chunks.request.begin()
            self._iterator = aiter(self._source)
        return self._iterator

    async def _step(self, go_on: Callable[[], Awaitable[Any]]) -> Any:
        try:
            chunk = await go_on()
        except StopAsyncIteration:
            self._chunks.request.end()
            raise
        except BaseException as fault:
            self._chunks.request.end(fault)
            raise
        self._chunks.passed(chunk)
        return chunk

    def __del__(self) -> None:
        self._chunks.request.end(GeneratorExit())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_source"], name)
