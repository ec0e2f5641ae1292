"""The lines that a log has got since it was last looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MAX_READ_BYTES: Final = 4 * 2**20
"""What is read of one log at a time; the rest comes the next time."""


class LogTail:
    r"""Follows one log file; a last line that is not ended waits, and a file that became shorter begins anew.

    >>> import tempfile; path = Path(tempfile.mkdtemp()) / "log"
    >>> tail = LogTail(path)
    >>> _ = path.write_text("one\ntw"); tail.read()
    ['one']
    >>> _ = path.write_text("one\ntwo\n"); tail.read()
    ['two']
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read(self) -> list[str]:
        """The lines that are new, without their ends; none where the file is not there."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._position:
                    self._position = 0
                file.seek(self._position)
                content = file.read(MAX_READ_BYTES)
        except OSError:
            return []
        end = content.rfind(b"\n") + 1
        if not end and len(content) == MAX_READ_BYTES:
            end = len(content)  # One line without an end must not stop all others.
        self._position += end
        return content[:end].decode(errors="replace").splitlines()
