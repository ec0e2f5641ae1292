"""Queries in threads, a few at a time, given up when nobody waits for them any more.

Queries that are known to be quick are answered at once on the event loop: two changes of threads would
take longer than they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol, TypeVar

from starlette.requests import Request

from tocsin.errors import NotQuickError, QueryLimitError
from tocsin.promql import QUICK_S

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_DISCONNECT_CHECK_S: Final = 0.1
_MAX_REMEMBERED: Final = 4096


class Work(Protocol[T_co]):
    """Answers a question; with ``quickly`` it raises NotQuickError rather than keep others waiting."""

    def __call__(self, cancelled: threading.Event | None, *, quickly: bool) -> T_co:
        """The answer."""
        ...


class QueryPool:
    """Runs synchronous work in worker threads; what comes on top waits its turn, but not for ever."""

    def __init__(self, max_concurrency: int, queue_timeout_s: float) -> None:
        self._max_concurrency = max_concurrency
        self._queue_timeout_s = queue_timeout_s
        self._free = asyncio.Semaphore(max_concurrency)
        self._executor = ThreadPoolExecutor(max_concurrency, thread_name_prefix="tocsin-query")
        self._quick = _QuickQuestions()

    async def answer(self, request: Request, work: Work[T], question: Hashable) -> T:
        """Run ``work`` at once when the same question was quick the last time, else as :meth:`run` does."""
        if question in self._quick:
            with contextlib.suppress(NotQuickError), self._quick.timed(question):
                return work(None, quickly=True)

        def in_thread(cancelled: threading.Event) -> T:
            with self._quick.timed(question):
                return work(cancelled, quickly=False)

        return await self.run(request, in_thread)

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


class _QuickQuestions:
    """The questions that were answered within :data:`QUICK_S` of a processor's time when last asked."""

    def __init__(self) -> None:
        self._questions: dict[Hashable, None] = {}
        self._lock = threading.Lock()

    def __contains__(self, question: Hashable) -> bool:
        return question in self._questions

    @contextlib.contextmanager
    def timed(self, question: Hashable) -> Iterator[None]:
        """Learn from how long the block takes."""
        started_s = time.thread_time()
        try:
            yield
        finally:
            self._note(question, is_quick=time.thread_time() - started_s < QUICK_S)

    def _note(self, question: Hashable, *, is_quick: bool) -> None:
        with self._lock:
            self._questions.pop(question, None)
            if is_quick:
                self._questions[question] = None
            if len(self._questions) > _MAX_REMEMBERED:
                self._questions.pop(next(iter(self._questions)))
