"""Datagrams from a UDP or Unix socket, read as many at a time as there are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tocsin.errors import UsageError

_MAX_DATAGRAM_BYTES: Final = 65_536

# A flood must not keep everything else on the loop from its turn.
_MAX_AT_ONCE: Final = 512

# SO_RCVBUFFORCE of Linux, which goes beyond net.core.rmem_max and is allowed to root only.
_SO_RCVBUFFORCE: Final = 33


class DatagramReader:
    """Hands the datagrams of a socket to ``take``, and their number to ``count``, on the event loop."""

    def __init__(
        self, receiver: socket.socket, take: Callable[[bytes], None], count: Callable[[int], None]
    ) -> None:
        self._socket = receiver
        self._take = take
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(receiver, self._read)

    def close(self) -> None:
        """Take what has arrived until now, and stop."""
        self._loop.remove_reader(self._socket)
        while self._read():
            pass
        self._socket.close()

    def _read(self) -> bool:
        """Read what is there, up to a limit; says whether the limit was reached."""
        receive, take, number = self._socket.recv, self._take, 0
        try:
            for number in range(_MAX_AT_ONCE):  # noqa: B007 - the last one is what was read
                take(receive(_MAX_DATAGRAM_BYTES))
        except (BlockingIOError, InterruptedError):
            pass
        else:
            number = _MAX_AT_ONCE
        if number:
            self._count(number)
        return number == _MAX_AT_ONCE


def bind_udp(host: str, port: int, buffer_bytes: int) -> socket.socket:
    """Take a UDP address; raises UsageError when that is not possible. Port 0 takes any free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise UsageError(f'cannot listen for StatsD on "{host}": {error.strerror}') from error
    receiver = socket.socket(family, kind, protocol)
    try:
        receiver.bind(address)
    except OSError as error:
        receiver.close()
        raise UsageError(f"cannot listen for StatsD on UDP {host}:{port}: {error.strerror}") from error
    return _prepared(receiver, buffer_bytes)


def bind_unix(path: Path, mode: int, buffer_bytes: int) -> socket.socket:
    """Make a Unix socket for datagrams, in the place of one that was left behind; raises UsageError."""
    if _is_taken(path):
        raise UsageError(f"cannot listen for StatsD on {path}: another process does")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        remove_socket(path)
        receiver.bind(str(path))
        path.chmod(mode)
    except OSError as error:
        receiver.close()
        raise UsageError(f"cannot listen for StatsD on {path}: {error.strerror or error}") from error
    return _prepared(receiver, buffer_bytes)


def remove_socket(path: Path) -> None:
    """Remove a Unix socket; anything else is left alone."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def _is_taken(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _prepared(receiver: socket.socket, buffer_bytes: int) -> socket.socket:
    receiver.settimeout(0)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer_bytes)
    except OSError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    return receiver
