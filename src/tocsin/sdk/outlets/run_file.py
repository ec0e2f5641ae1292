"""A file for each run and process, for a tocsin that takes it later."""

from __future__ import annotations

import os
import re
import shlex
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets.flags import is_off, is_on
from tocsin.sdk.outlets.json_lines import header_line, row_lines, state_lines
from tocsin.sdk.outlets.outlet import TAKEN, Fate, News, Outcome
from tocsin.sdk.outlets.reduction import Reduction
from tocsin.sdk.outlets.whole_lines import WholeLines

VARIABLE: Final = "TOCSIN_OFFLINE"
DEFAULT_FOLDER: Final = "tocsin-runs"
LIMIT_VARIABLE: Final = "TOCSIN_OFFLINE_MB"
LIMIT_BYTES: Final = 200_000_000

_LONGEST_NAME: Final = 80
_MOST_OF_ONE_NAME: Final = 100
_NOT_IN_NAME: Final = re.compile(r"[^a-zA-Z0-9._-]+")


def offline_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that ``TOCSIN_OFFLINE`` asks for; None when nothing is to be written.

    >>> offline_folder({"TOCSIN_OFFLINE": "1"}), offline_folder({})
    (PosixPath('tocsin-runs'), None)
    """
    text = environ.get(VARIABLE, "")
    if is_off(text):
        return None
    return Path(DEFAULT_FOLDER if is_on(text) else text.strip()).expanduser()


def limit_bytes(guard: Guard, environ: Mapping[str, str] = os.environ) -> int:
    """How large a file may become, as ``TOCSIN_OFFLINE_MB`` says; what is no size is told once.

    >>> limit_bytes(Guard("a"), {"TOCSIN_OFFLINE_MB": "50"})
    50000000
    """
    text = environ.get(LIMIT_VARIABLE, "").strip()
    with guard.around(LIMIT_VARIABLE, f"{LIMIT_VARIABLE} is no size, {LIMIT_BYTES // 1_000_000} counts"):
        size = float(text or LIMIT_BYTES / 1e6)
        if size <= 0:
            raise ValueError(f"{text} is not above 0")
        return round(size * 1e6)
    return LIMIT_BYTES


class RunFile:
    """Writes lines of JSON to ``<run>-<when>-<host>-<process>.jsonl`` in a folder.

    It writes everything until half of ``limit_bytes`` is reached, then ever less (:class:`Reduction`), and at
    the limit nothing but how the run ends. A file that somebody removes is made anew.
    """

    is_named = True

    def __init__(
        self,
        folder: Path,
        names: Names,
        labels: Mapping[str, str],
        guard: Guard,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        # Where the program is now counts, also when it changes its folder.
        self._folder = folder.absolute()
        self._shown = folder
        self._names = names
        self._labels = dict(labels)
        self._guard = guard
        self._limit_bytes = limit_bytes
        self._file: WholeLines | None = None
        self._reduction = Reduction()
        self._later = f"tocsin import {shlex.quote(str(folder))}"

    @property
    def later(self) -> str | None:
        """The command that imports the file."""
        return self._later

    def is_there(self) -> bool:
        """Always: there is a folder or it is made."""
        return True

    def deliver(self, news: News, timeout_s: float) -> Outcome:
        """Append what is due at this size of the file."""
        try:
            file = self._open()
            due = self._reduction.due(news, file.size_bytes / self._limit_bytes)
            if due is None:
                self._reduction.hold(news)
                return TAKEN
            lines = self._lines(due)
            if file.size_bytes + sum(map(len, lines)) > self._limit_bytes:
                return self._full(news)
            file.append(lines)
        except OSError as fault:
            path = self._shown / self._file.path.name if self._file else self._shown
            return Outcome(Fate.LATER, f"cannot write {path} ({fault.strerror or fault})")
        self._reduction.written(due, news.time_ms)
        return TAKEN

    def failed(self) -> None:
        """There is no other place."""

    def close(self) -> None:
        """Write what is held back, which is how the run ended among other things."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with self._guard.around("end", f"the end of {file.path.name} is not written"):
            if lines := self._lines(self._reduction.rest()):
                file.append(lines)
        file.close()

    def _lines(self, news: News) -> list[str]:
        return row_lines(news.rows, self._names, self._guard) + state_lines(news.state, news.time_ms)

    def _full(self, news: News) -> Outcome:
        self._reduction.hold(News([], news.state, news.time_ms))
        path = self._shown / self._file.path.name if self._file else self._shown
        size_mb = self._limit_bytes / 1e6
        return Outcome(Fate.REFUSED, f"{path} has reached {size_mb:g} MB, and no more steps are written")

    def _open(self) -> WholeLines:
        if self._file is not None and not self._file.is_gone:
            return self._file
        if self._file is not None:
            self._guard.tell_once("gone", f"{self._file.path.name} was removed, and a new one is begun")
            self._file.close()
            self._file = None
        self._reduction = Reduction()
        self._file = self._begun()
        self._later = f"tocsin import {shlex.quote(str(self._shown / self._file.path.name))}"
        return self._file

    def _begun(self) -> WholeLines:
        """A new file with its first line; leaves nothing behind where that cannot be written."""
        file = self._new()
        try:
            file.append([header_line(self._labels)])
        except OSError:
            file.close()
            file.path.unlink(missing_ok=True)
            raise
        return file

    def _new(self) -> WholeLines:
        run = self._labels.get("run") or self._labels.get("model") or self._labels.get("job", "run")
        word = _NOT_IN_NAME.sub("_", run)[:_LONGEST_NAME]
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{word}-{when}-{_NOT_IN_NAME.sub('_', socket.gethostname())}-{os.getpid()}"
        for number in range(1, _MOST_OF_ONE_NAME):
            try:
                return WholeLines(self._folder / f"{name}{f'-{number}' if number > 1 else ''}.jsonl")
            except FileExistsError:
                continue
        raise OSError(f"there are {_MOST_OF_ONE_NAME} files of this name")
