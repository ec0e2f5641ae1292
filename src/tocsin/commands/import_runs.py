"""``tocsin import``: bring what monitors wrote to files into a running tocsin."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from typing import Annotated, Final

import httpx
import typer
from rich.progress import Progress, TaskID

from tocsin.commands.api import server_url
from tocsin.commands.copying import bar
from tocsin.commands.options import Url, clock_text
from tocsin.commands.run_files import found, lines_of, size_bytes
from tocsin.commands.run_lines import RunLineParser, Samples
from tocsin.errors import ParseError, QueryError, UsageError
from tocsin.sdk.transport import IMPORT_PATH, TEXT

_BATCH_SAMPLES: Final = 10_000
_TIMEOUT_S: Final = 130.0
_TRIES: Final = 6
_PAUSE_S: Final = 0.5
_TOLD_LINES: Final = 10
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def import_runs(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Files of runs, plain or gzip, folders of them, or -."),
    ],
    url: Url = None,
) -> int:
    """Import what monitors wrote with TOCSIN_OFFLINE, at its own times; may be repeated.

    Status 1 says that a line was wrong or a sample refused; all others are imported.
    """
    names = found(files)
    target = (url or server_url()).rstrip("/")
    total = size_bytes(names)
    tally = Tally()
    with httpx.Client(trust_env=False, timeout=_TIMEOUT_S) as client, bar() as progress:
        importer = Importer(client, target, tally)
        task = progress.add_task("import", total=total)
        for name in names:
            _import_file(name, importer, tally, progress, task)
        importer.flush()
    for line in tally.summary(len(names), target):
        print(line)
    return 1 if tally.bad_lines or tally.refusals else 0


@dataclass(slots=True)
class Tally:
    """What was read, and what was wrong with it."""

    samples: int = 0
    series: set[str] = field(default_factory=set)
    first_ms: float = inf
    last_ms: float = -inf
    bad_lines: int = 0
    refusals: list[str] = field(default_factory=list)

    def add(self, samples: Samples) -> None:
        """Samples were read."""
        self.samples += len(samples.values)
        self.series.update(samples.values)
        self.first_ms = min(self.first_ms, samples.time_ms)
        self.last_ms = max(self.last_ms, samples.time_ms)

    def bad(self, place: str, error: ParseError) -> None:
        """A line is wrong; the first are told at once."""
        self.bad_lines += 1
        if self.bad_lines <= _TOLD_LINES:
            print(f"{place}: {error}", file=sys.stderr)

    def summary(self, file_count: int, target: str) -> Iterator[str]:
        """What to say at the end."""
        files = "1 file" if file_count == 1 else f"{file_count:,} files"
        if self.samples:
            between = f"from {clock_text(self.first_ms / 1000)} to {clock_text(self.last_ms / 1000)}"
            yield f"{files}: {self.samples:,} samples of {len(self.series):,} series, {between}, to {target}"
        else:
            yield f"{files}: no samples"
        if self.bad_lines:
            yield f"{self.bad_lines:,} lines are wrong and left out"
        if self.refusals:
            yield f"{target} refuses some samples: {self.refusals[0]}"


class Importer:
    """Sends samples in batches; what the server refuses of them is noted."""

    def __init__(self, client: httpx.Client, target: str, tally: Tally) -> None:
        self._client = client
        self._target = target
        self._tally = tally
        self._lines: list[str] = []
        self._count = 0

    def add(self, samples: Samples) -> None:
        """Take samples; raises as :meth:`flush` does."""
        self._tally.add(samples)
        self._lines.append(samples.lines())
        self._count += len(samples.values)
        if self._count >= _BATCH_SAMPLES:
            self.flush()

    def flush(self) -> None:
        """Send what waits; raises UsageError when there is no server, QueryError when it takes nothing."""
        if not self._lines:
            return
        body = "".join(self._lines).encode("utf-8", "replace")
        self._lines, self._count = [], 0
        answer = self._answer(body)
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            self._tally.refusals.append(_sentence(answer))
        elif answer.is_error or answer.is_redirect:
            raise QueryError(f"{self._target} takes nothing: {_sentence(answer)}")

    def _answer(self, body: bytes) -> httpx.Response:
        for attempt in range(_TRIES):
            answer = self._post(body)
            if answer.status_code not in _BUSY:
                break
            time.sleep(_PAUSE_S * 2**attempt)
        return answer

    def _post(self, body: bytes) -> httpx.Response:
        try:
            return self._client.post(f"{self._target}{IMPORT_PATH}", content=body, headers=TEXT)
        except httpx.InvalidURL as error:
            raise UsageError(f'--url "{self._target}" is no URL: {error}') from error
        except httpx.HTTPError as error:
            raise UsageError(f"no answer from {self._target}: {error}; is tocsin up?") from error


def _import_file(name: str, importer: Importer, tally: Tally, progress: Progress, task: TaskID) -> None:
    parser = RunLineParser()
    done_bytes = 0
    for line in lines_of(name):
        try:
            samples = parser.parse(line.text) if line.text.strip() else None
        except ParseError as error:
            # The last line of a process that was killed may be half a line.
            if line.is_whole:
                tally.bad(f"{name}:{line.number}", error)
            samples = None
        if samples is not None:
            importer.add(samples)
        progress.advance(task, line.read_bytes - done_bytes)
        done_bytes = line.read_bytes


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
