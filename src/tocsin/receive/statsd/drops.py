"""How many datagrams the kernel has dropped because a socket was not read in time."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

_TABLES: Final = {socket.AF_INET: Path("/proc/net/udp"), socket.AF_INET6: Path("/proc/net/udp6")}
_INODE: Final = 9
_DROPS: Final = 12


def dropped_packets(receiver: socket.socket) -> int:
    """The kernel's count for a UDP socket since it was opened; 0 where the kernel does not tell.

    Source: the tables ``/proc/net/udp`` and ``/proc/net/udp6``, in which a socket is found by its inode.
    """
    table = _TABLES.get(receiver.family)
    if table is None or receiver.fileno() < 0:
        return 0
    try:
        lines = table.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return drops_of(lines, os.fstat(receiver.fileno()).st_ino)


def drops_of(lines: list[str], inode: int) -> int:
    """The drops in the line of an inode; 0 when there is none."""
    for line in lines[1:]:
        fields = line.split()
        if len(fields) > _DROPS and fields[_INODE] == str(inode):
            return int(fields[_DROPS])
    return 0
