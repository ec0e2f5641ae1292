"""Files of records: each record carries its length and a checksum, so that a torn end is noticed.

A file opens with a magic text. A record is its head, little-endian (length and CRC-32 of what follows the
two, number of samples, newest timestamp in ms), and its payload.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

MAGIC: Final = b"tocsin-queue-1\n"

_FRAME: Final = struct.Struct("<II")
_ABOUT: Final = struct.Struct("<Iq")
_MAX_PAYLOAD_BYTES: Final = 256 << 20


class Record(NamedTuple):
    """Samples on their way out: an encoded request, how many samples it holds, and the newest time."""

    payload: bytes
    samples: int
    newest_ms: int


class Stored(NamedTuple):
    """A record in a file, and where it ends."""

    record: Record
    end: int


def create(path: Path) -> BinaryIO:
    """A new file, open for writing; it and its name are on disk on return."""
    file = path.open("xb")
    file.write(MAGIC)
    sync(file)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return file


def write(file: BinaryIO, records: Sequence[Record]) -> None:
    """Write records behind each other; durable after :func:`sync`."""
    for record in records:
        content = _ABOUT.pack(record.samples, record.newest_ms) + record.payload
        file.write(_FRAME.pack(len(content), zlib.crc32(content)) + content)


def sync(file: BinaryIO) -> None:
    """Wait until what was written is on disk."""
    file.flush()
    os.fsync(file.fileno())


def size_of(record: Record) -> int:
    """The bytes that a record takes in a file."""
    return _FRAME.size + _ABOUT.size + len(record.payload)


def read(path: Path, offset: int = 0) -> Iterator[Stored]:
    """The records from an offset on, up to the end or to where the file is damaged.

    An offset of 0 means the first record. Raises OSError.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        end = max(offset, len(MAGIC))
        file.seek(end)
        while (content := _content(file)) is not None:
            end += _FRAME.size + len(content)
            yield Stored(Record(content[_ABOUT.size :], *_ABOUT.unpack_from(content)), end)


def _content(file: BinaryIO) -> bytes | None:
    frame = file.read(_FRAME.size)
    if len(frame) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(frame)
    if not _ABOUT.size <= length <= _MAX_PAYLOAD_BYTES:
        return None
    content = file.read(length)
    return content if len(content) == length and zlib.crc32(content) == checksum else None
