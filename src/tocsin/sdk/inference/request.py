"""One request under way."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.batch import Record
from tocsin.sdk.inference.context import entered, left
from tocsin.sdk.inference.outcomes import ABORT, ERROR, error_of, status_of


class Register(Protocol):
    """Where requests are when they begin, wait and end."""

    @property
    def guard(self) -> Guard:
        """What keeps faults away from user code."""

    def begun(self, request: Request) -> None:
        """A request is under way."""

    def ended(self, request: Request, record: Record) -> None:
        """It is over, and this is what is known of it; counts once for each that began in this process."""

    def waits(self, request: Request, *, is_waiting: bool) -> None:
        """It has joined the queue or left it."""


class Request:
    """A request that is measured from ``with`` to the end of the block, or of the stream it was made for.

    An exception that leaves the block marks it as failed, by the exception's class; a cancellation as
    ``abort``. Set what is known of it: ``tokens`` and ``input_tokens`` (numbers of output and input tokens),
    ``batch_size``, ``queue_wait_s``, ``cache_hit`` (whether a cache had the answer), ``route``.

    It belongs to one task or thread at a time, and none of its methods raises.

    >>> from tocsin.sdk.inference import InferenceMonitor
    >>> monitor = InferenceMonitor("digits")
    >>> with monitor.request() as request:
    ...     request.input_tokens = 12
    ...     for word in "a fine answer".split():
    ...         request.token()
    >>> request.tokens
    3
    >>> monitor.close()
    """

    __slots__ = (
        "_clock",
        "_first_s",
        "_is_open",
        "_register",
        "_start_s",
        "_wait_from_s",
        "batch_size",
        "cache_hit",
        "error",
        "input_tokens",
        "queue_wait_s",
        "route",
        "status",
        "tokens",
    )

    def __init__(self, register: Register, clock: Callable[[], float], route: str | None = None) -> None:
        self._register = register
        self._clock = clock
        self._start_s = clock()
        self._first_s: float | None = None
        self._wait_from_s: float | None = None
        self._is_open = False
        self.route = route
        self.status: str | None = None
        self.error: Any = None
        self.tokens: Any = None
        self.input_tokens: Any = None
        self.batch_size: Any = None
        self.queue_wait_s: Any = None
        self.cache_hit: bool | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has begun and not ended."""
        return self._is_open

    def token(self, count: float = 1) -> None:
        """So many output tokens were made; the first of them ends the time to the first token."""
        with self._register.guard:
            if self._first_s is None and count:
                self._first_s = self._clock()
            self.tokens = (self.tokens or 0) + count

    def first_token(self) -> None:
        """The first token is there, where tokens themselves are not counted one by one."""
        if self._first_s is None:
            self._first_s = self._clock()

    def fail(self, error: object = None, status: str | None = None) -> None:
        """It failed, though no exception will say so: an exception, its class, or a text such as ``oom``."""
        self.status = status or ERROR
        with self._register.guard:
            self.error = None if error is None else error_of(error)

    def waiting(self) -> Waiting:
        """A block in which the request waits for its turn: it counts in the queue, and the time is taken."""
        return Waiting(self)

    def begin(self) -> None:
        """It is under way from now on, and counts in ``inference_requests_in_flight``."""
        if not self._is_open:
            self._is_open = True
            self._register.begun(self)

    def end(self, fault: BaseException | None = None) -> None:
        """It is over, by an exception where there is one. Only the first end counts."""
        if not self._is_open:
            return
        self._is_open = False
        self.leave_queue()
        if fault is not None and self.status is None:
            self.status = status_of(fault)
            self.error = None if self.status == ABORT else error_of(fault)
        first_token_s = None if self._first_s is None else self._first_s - self._start_s
        record = (
            self.route,
            self._clock() - self._start_s,
            self.status,
            self.error,
            first_token_s,
            self.tokens,
            self.input_tokens,
            self.queue_wait_s,
            self.batch_size,
            self.cache_hit,
        )
        self._register.ended(self, record)

    def join_queue(self) -> None:
        """It waits for its turn."""
        if self._wait_from_s is None:
            self._wait_from_s = self._clock()
            self._register.waits(self, is_waiting=True)

    def leave_queue(self) -> None:
        """It has its turn."""
        if self._wait_from_s is not None:
            self.queue_wait_s = (self.queue_wait_s or 0.0) + self._clock() - self._wait_from_s
            self._wait_from_s = None
            self._register.waits(self, is_waiting=False)

    def belongs_to(self, register: Register) -> bool:
        """Say whether it is one of a monitor's."""
        return self._register is register

    def __enter__(self) -> Self:
        self.begin()
        entered(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        left(self)
        self.end(fault)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, fault, traceback)


class Waiting:
    """A block, synchronous or not, in which a request is in the queue."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._request.join_queue()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._request.leave_queue()

    async def __aenter__(self) -> None:
        self._request.join_queue()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._request.leave_queue()
