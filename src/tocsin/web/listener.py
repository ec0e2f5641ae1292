"""Serving an application on a socket until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tocsin.errors import UsageError

_BACKLOG: Final = 2048

# Clients ask again after a scrape interval or a refresh; their connections last longer than that.
_KEEP_ALIVE_S: Final = 75


def bind(host: str, port: int) -> socket.socket:
    """Take an address; raises UsageError when that is not possible. Port 0 takes any free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise UsageError(f'cannot listen on "{host}": {error.strerror}') from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # From here on connections wait for the server instead of being refused.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {host}:{port}: {_reason(error)}") from error
    return listener


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; stop what uses it or choose another one with --listen"
    return str(error.strerror).lower()


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can connect."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def url_of(listener: socket.socket) -> str:
    """The URL under which this machine reaches a listener."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_no_cut_off_request(record: logging.LogRecord) -> bool:
    """Leave out requests that were still being sent when the server stopped: nothing is wrong with it."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class WebServer(uvicorn.Server):
    """uvicorn without handlers for signals, which are the whole process's business."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=2,
            )
        )
        self._listener = listener
        logging.getLogger("uvicorn.error").addFilter(_is_no_cut_off_request)

    async def run_until_stopped(self) -> None:
        """Serve until :attr:`should_exit` is set."""
        await self.serve(sockets=[self._listener])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
