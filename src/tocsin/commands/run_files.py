"""The files that ``tocsin import`` is given: found, opened, inflated, and cut into lines."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from tocsin.errors import UsageError

STDIN: Final = "-"
_PATTERNS: Final = ("*.jsonl", "*.jsonl.gz")
_GZIP: Final = b"\x1f\x8b"
_LONGEST_LINE: Final = 16 << 20


class Line(NamedTuple):
    """A line, its number from 1, whether it is whole, and how many bytes of the file are read with it."""

    text: str
    number: int
    is_whole: bool
    read_bytes: int


def found(names: Iterable[str]) -> list[str]:
    """The files named, and of folders those that are runs; raises UsageError where there is none."""
    files: list[str] = []
    for name in names:
        path = Path(name)
        if name == STDIN or not path.is_dir():
            files.append(name)
            continue
        inside = sorted({each for pattern in _PATTERNS for each in path.rglob(pattern)})
        if not inside:
            raise UsageError(f"there is no file of a run ({' or '.join(_PATTERNS)}) in {name}")
        files += map(str, inside)
    return files


def size_bytes(names: Iterable[str]) -> int | None:
    """How much there is to read, None where that is not known; raises UsageError for a missing file."""
    names = list(names)
    try:
        return None if STDIN in names else sum(Path(name).stat().st_size for name in names)
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error


def lines_of(name: str) -> Iterator[Line]:
    """The lines of one file, plain or gzip; raises UsageError when it cannot be read.

    What is cut off, of a file or of gzip, ends it.
    """
    try:
        if name == STDIN:
            yield from _lines(cast("io.BufferedReader", sys.stdin.buffer))
        else:
            with Path(name).open("rb") as file:
                yield from _lines(file)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"cannot read {name}: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _lines(file: io.BufferedReader) -> Iterator[Line]:
    is_gzip = file.peek(len(_GZIP)).startswith(_GZIP)
    reader = cast("IO[bytes]", gzip.GzipFile(fileobj=file) if is_gzip else file)
    read_bytes = 0
    number = 0
    while line := _next(reader):
        number += 1
        read_bytes = file.tell() if is_gzip and file.seekable() else read_bytes + len(line)
        yield Line(line.decode("utf-8", "replace"), number, line.endswith(b"\n"), read_bytes)


def _next(reader: IO[bytes]) -> bytes:
    try:
        return reader.readline(_LONGEST_LINE)
    except EOFError:
        # The last block of gzip is not whole, as after a copy that was interrupted.
        return b""
