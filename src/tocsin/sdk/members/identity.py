"""Which process this is, so that another one that gets its number later is not taken for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple, Self

from tocsin.runtime import process_is_alive

_STATE, _START_TIME = 0, 19
"""Fields of ``/proc/<pid>/stat`` behind the name, which may hold spaces (man proc_pid_stat)."""

_ENDED: Final = frozenset({"Z", "X"})


class Identity(NamedTuple):
    """The number of a process, and when it started in ticks since the machine did; 0 where that is not known.

    >>> Identity.current().is_alive
    True
    """

    pid: int
    started: int

    @classmethod
    def current(cls) -> Self:
        """That of the process that asks."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        """That of a process by its number."""
        fields = _fields(pid)
        return cls(pid, int(fields[_START_TIME]) if fields else 0)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; one that has ended and that nobody has asked about does not."""
        fields = _fields(self.pid)
        if fields is None:
            # Either it is gone, or this system has no /proc.
            return self.started == 0 and process_is_alive(self.pid)
        return fields[_STATE] not in _ENDED and self.started in {0, int(fields[_START_TIME])}


def _fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
