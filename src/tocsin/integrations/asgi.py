"""ASGI middleware that measures the requests of a web application, for Starlette, FastAPI and all others."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference import InferenceMonitor
from tocsin.sdk.inference.bounded import OTHER
from tocsin.sdk.inference.outcomes import ABORT, TIMEOUT, error_of, is_failure, status_of
from tocsin.sdk.inference.request import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Routes = Collection[str] | Callable[[Scope], str | None] | None

SCOPE_KEY: Final = "tocsin.request"
"""Under which the application finds its request, to tell tokens and the like."""

NO_ANSWER: Final = "no_answer"
_GATEWAY_TIMEOUT: Final = 504
_PIECES: Final = frozenset(
    {
        "http.response.body",
        "http.response.pathsend",
        "http.response.zerocopysend",
    }  # the last two are extensions
)
_PARAMETER: Final = re.compile(r"\{[^/{}]*\}")


class InferenceMiddleware:
    """Measures each HTTP request from its arrival until the last byte of its answer is handed on.

    ``status`` is the class of the answer's status, such as ``2xx``, or ``abort`` where the client went away
    before the end. Exceptions of the application pass unchanged and count as ``5xx``, by their class. The
    monitor is opened at the application's start-up and closed at its shutdown.

    ``routes`` bounds the label ``route``. Without it, it is the framework's template where one is found
    (FastAPI), and ``other`` for the rest. Templates such as ``["/v1/generate", "/v1/models/{name}"]`` measure
    those paths alone. A function of the scope returns the route, or None for what is not measured.

    ``first_byte_is_first_token`` takes the time to the first token from answers that are sent in pieces.

    >>> from tocsin import InferenceMonitor
    >>> async def answer(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 200, "headers": []})
    ...     await send({"type": "http.response.body", "body": b"42"})
    >>> app = InferenceMiddleware(answer, InferenceMonitor("answers"), routes=["/ask"])
    """

    def __init__(
        self,
        app: App,
        monitor: InferenceMonitor,
        *,
        routes: Routes = None,
        first_byte_is_first_token: bool = False,
    ) -> None:
        self._app = app
        self._monitor = monitor
        self._guard = Guard("asgi")
        self._first_byte_is_first_token = first_byte_is_first_token
        self._route_of: Callable[[Scope], str | None] | None = None
        with self._guard.around("routes", "routes are those of the framework"):
            self._route_of = routes if routes is None or callable(routes) else _Templates(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        exchange = None
        with self._guard:
            exchange = self._begun(scope, receive, send)
        if exchange is None:
            await self._app(scope, receive, send)
            return
        with exchange.request:
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except BaseException as fault:
                exchange.failed(fault)
                raise
            exchange.returned()

    def _begun(self, scope: Scope, receive: Receive, send: Send) -> _Exchange | None:
        if scope["type"] != "http":
            return None
        request = self._monitor.request()
        if self._route_of is not None:
            request.route = self._route_of(scope)
            if request.route is None:
                return None
        scope[SCOPE_KEY] = request
        is_token = self._first_byte_is_first_token
        return _Exchange(request, scope, receive, send, self._guard, is_token=is_token)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._monitor.start()
        has_started = False

        async def watch(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "lifespan.startup.complete"
            if message["type"].startswith("lifespan.shutdown."):
                # Before the server hears of it, because the process may be gone right afterwards.
                await self._monitor.aclose()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            # An application that knows no lifespan leaves here at once, and answers requests afterwards.
            if has_started:
                await self._monitor.aclose()


class _Exchange:
    """One request and its answer, as they pass."""

    def __init__(
        self, request: Request, scope: Scope, receive: Receive, send: Send, guard: Guard, *, is_token: bool
    ) -> None:
        self.request = request
        self._scope = scope
        self._receive = receive
        self._send = send
        self._guard = guard
        self._is_token = is_token
        self._status: int | None = None
        self._is_complete = False
        self._is_gone = False

    async def receive(self) -> Message:
        """Pass what the client says; notice that it is gone, where the application listens for it."""
        message = await self._receive()
        # Once the answer is complete every server says so.
        if message["type"] == "http.disconnect" and not self._is_complete:
            self._is_gone = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the answer; the last one ends the request."""
        with self._guard:
            self._look(message)
        try:
            await self._send(message)
        except OSError:
            self._is_gone = True
            raise
        if self._is_complete:
            self._end(None)

    def failed(self, fault: BaseException) -> None:
        """The application raised something, before the answer was complete or in what it did afterwards."""
        self._is_gone = self._is_gone or status_of(fault) == ABORT
        self._status = 500
        self._end(fault)

    def returned(self) -> None:
        """The application is through."""
        if not self._is_complete:
            self._status = None
        self._end(None)

    def _look(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
        elif message["type"] in _PIECES:
            is_last = not message.get("more_body", False)
            if self._is_token and not is_last and message.get("body", True):
                self.request.first_token()
            self._is_complete = is_last

    def _end(self, fault: BaseException | None) -> None:
        request = self.request
        if request.is_open:
            with self._guard:
                request.route = request.route or _framework_route(self._scope)
                request.status, request.error = self._outcome(fault)
            request.end()

    def _outcome(self, fault: BaseException | None) -> tuple[str, str | None]:
        if self._is_gone:
            return ABORT, None
        if self._status is None:
            return "5xx", NO_ANSWER
        status = f"{self._status // 100}xx"
        if not is_failure(status):
            return status, None
        if fault is not None:
            return status, error_of(fault)
        return status, TIMEOUT if self._status == _GATEWAY_TIMEOUT else f"http_{self._status}"


class _Templates:
    """Finds the template of a path: ``{name}`` stands for one segment, ``{name:path}`` for any number."""

    def __init__(self, templates: Collection[str]) -> None:
        self._patterns = [(re.compile(_pattern(template)), template) for template in templates]

    def __call__(self, scope: Scope) -> str | None:
        path = str(scope["path"]).removeprefix(scope.get("root_path") or "")
        for pattern, template in self._patterns:
            if pattern.fullmatch(path):
                return template
        return None


def _pattern(template: str) -> str:
    parts = _PARAMETER.split(template)
    wild = [".+" if each.endswith(":path}") else "[^/]+" for each in _PARAMETER.findall(template)]
    return "".join(re.escape(part) + gap for part, gap in zip(parts, [*wild, ""], strict=True))


def _framework_route(scope: Scope) -> str:
    """The template that FastAPI and newer Starlettes leave in the scope."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER
