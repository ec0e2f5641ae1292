"""The gate before every route: access, and the size of what is sent."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.web.access import denial
from tocsin.web.responses import failure

MAX_BODY_BYTES: Final = 32 << 20


class Gate:
    """ASGI middleware that refuses before anything is read, or as soon as too much was."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        listens_on_loopback: bool,
        external_name: str = "",
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._app = app
        self._external_name = external_name
        self._listens_on_loopback = listens_on_loopback
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that it is refused."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reason = denial(
            scope["method"],
            scope["path"],
            headers,
            listens_on_loopback=self._listens_on_loopback,
            external_name=self._external_name,
        )
        if reason is not None:
            await failure(403, "forbidden", reason)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        seen_bytes = 0

        async def counted() -> Message:
            nonlocal seen_bytes
            message = await receive()
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > self._max_body_bytes:
                limit_mib = self._max_body_bytes >> 20
                raise HTTPException(413, f"the body is larger than {limit_mib} MiB", {"connection": "close"})
            return message

        return counted
