"""Lines from TCP connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import UsageError

MAX_LINE_BYTES: Final = 65_536
_MAX_CONNECTIONS: Final = 1024


@dataclass(frozen=True, slots=True)
class StreamHandlers:
    """What is done with what comes: whole lines, each piece, a connection, and a fault by its reason."""

    take: Callable[[bytes], None]
    count: Callable[[int], None]
    connected: Callable[[], None]
    failed: Callable[[str], None]
    open: set[LineProtocol] = field(default_factory=set)


class LineProtocol(asyncio.Protocol):
    """One connection; a line that is too long ends it, as its end could not be told from a new line."""

    def __init__(self, handlers: StreamHandlers) -> None:
        self._handlers = handlers
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, unless there are too many."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        if len(self._handlers.open) >= _MAX_CONNECTIONS:
            self._handlers.failed("too_many_connections")
            transport.abort()
            return
        self._handlers.open.add(self)
        self._handlers.connected()

    def data_received(self, data: bytes) -> None:
        """Take the lines that are whole, and keep the rest."""
        if self._transport is None or self._transport.is_closing():
            return
        self._handlers.count(1)
        lines, newline, rest = data.rpartition(b"\n")
        if newline:
            self._handlers.take(self._rest + lines)
            self._rest = rest
        else:
            self._rest += rest
        if len(self._rest) > MAX_LINE_BYTES:
            self._handlers.failed("line_too_long")
            self._rest = b""
            self._transport.abort()

    def eof_received(self) -> None:
        """Take the last line though it lacks its newline: the sender has said that nothing follows."""
        self._handlers.take(self._rest)
        self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what may be half a line."""
        self._handlers.open.discard(self)
        self._closed.set_result(None)

    async def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()
            await self._closed


class LineServer:
    """A TCP server of lines."""

    def __init__(self, server: asyncio.Server, handlers: StreamHandlers) -> None:
        self._server = server
        self._handlers = handlers

    @classmethod
    async def start(cls, host: str, port: int, handlers: StreamHandlers) -> LineServer:
        """Take a TCP address; raises UsageError when that is not possible. Port 0 takes any free one."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: LineProtocol(handlers), host or None, port)
        except OSError as error:
            raise UsageError(f"cannot listen for StatsD on TCP {host}:{port}: {error.strerror}") from error
        return cls(server, handlers)

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, and end those that there are."""
        self._server.close()
        await asyncio.gather(*(connection.close() for connection in self._handlers.open))
