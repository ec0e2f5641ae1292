"""A file that only ever holds whole lines, whatever the disk does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_KEPT_FREE: Final = 0.01
"""Of the disk, so that a run of ours never is what fills it."""


class WholeLines:
    """A new file to append to.

    A write that fails leaves what was there before. Nothing is synced: what was written survives the end of
    the process, however it comes, and not that of the machine. Raises OSError when the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    @property
    def is_gone(self) -> bool:
        """Whether somebody has removed it."""
        return os.fstat(self._file).st_nlink == 0

    def append(self, lines: list[str]) -> None:
        """Write all of the lines or none; raises OSError, also before the disk is full."""
        rest = memoryview("".join(lines).encode("utf-8", "replace"))
        disk = os.fstatvfs(self._file)
        if disk.f_bavail * disk.f_frsize - len(rest) < _KEPT_FREE * disk.f_blocks * disk.f_frsize:
            raise OSError("hardly anything of the disk is free")
        end_bytes = self.size_bytes + len(rest)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size_bytes)
                os.lseek(self._file, self.size_bytes, os.SEEK_SET)
            raise
        self.size_bytes = end_bytes

    def close(self) -> None:
        """Close it."""
        os.close(self._file)
