"""Queries in threads, a few at a time, given up when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from starlette.requests import Request

from tocsin.errors import QueryLimitError

T = TypeVar("T")

_DISCONNECT_CHECK_S: Final = 0.1


class QueryPool:
    """Runs synchronous work in worker threads; what comes on top waits its turn, but not for ever."""

    def __init__(self, max_concurrency: int, queue_timeout_s: float) -> None:
        self._max_concurrency = max_concurrency
        self._queue_timeout_s = queue_timeout_s
        self._free = asyncio.Semaphore(max_concurrency)
        self._executor = ThreadPoolExecutor(max_concurrency, thread_name_prefix="tocsin-query")

    async def run(self, request: Request, work: Callable[[threading.Event], T]) -> T:
        """Run ``work``, which looks at the event now and then and stops when it is set.

        The event is set when the client has gone or this task is cancelled. Raises QueryLimitError
        when no thread becomes free in time.
        """
        await self._queue()
        try:
            return await self._watch(request, work)
        finally:
            self._free.release()

    async def _queue(self) -> None:
        try:
            async with asyncio.timeout(self._queue_timeout_s):
                await self._free.acquire()
        except TimeoutError:
            raise QueryLimitError(
                f"query timed out in query queue: for {self._queue_timeout_s:g} s none of the "
                f"{self._max_concurrency} queries that may run at a time has ended (query.max_concurrency)"
            ) from None

    async def _watch(self, request: Request, work: Callable[[threading.Event], T]) -> T:
        cancelled = threading.Event()
        future = asyncio.get_running_loop().run_in_executor(self._executor, partial(work, cancelled))
        try:
            while not future.done():
                await asyncio.wait({future}, timeout=_DISCONNECT_CHECK_S)
                if not future.done() and await request.is_disconnected():
                    cancelled.set()
            return future.result()
        finally:
            cancelled.set()

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)
