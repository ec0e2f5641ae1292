"""A queue on disk: append-only segments, and a file that says how far they have been taken."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from tocsin.errors import StorageError
from tocsin.storage.forward import segment
from tocsin.storage.forward.segment import Record

SEGMENT_BYTES: Final = 8 << 20

_POSITION: Final = "position"
_ENDING: Final = ".segment"


class Place(NamedTuple):
    """A place in the queue: the number of a segment, and an offset in it."""

    number: int
    offset: int


class Taken(NamedTuple):
    """A record that was read, and the place behind it."""

    record: Record
    end: Place


@dataclass(slots=True)
class _Segment:
    """What is known of a file; ``samples`` are those that have not been taken yet."""

    size_bytes: int
    samples: int


class DiskQueue:
    """Records in the order in which they came, for one reader and any number of threads.

    What :meth:`append` has returned from survives the death of the process and of the machine. How far it
    was taken is written without waiting for the disk, so after a loss of power some records come
    again. Above ``max_bytes`` the oldest segments are dropped. Raises StorageError when the folder cannot be
    used.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max(1, max_bytes // 4))
        self._lock = threading.Lock()
        self._segments: dict[int, _Segment] = {}
        self._file: BinaryIO | None = None
        self.dropped_samples = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._position = self._load_position()
            self._load()
        except OSError as error:
            raise self._failure(error) from error

    @property
    def waiting_samples(self) -> int:
        """How many samples have not been taken yet."""
        with self._lock:
            return sum(known.samples for known in self._segments.values())

    @property
    def size_bytes(self) -> int:
        """How large the files are."""
        with self._lock:
            return self._size_bytes()

    def append(self, records: Sequence[Record]) -> None:
        """Store records; on return they are on disk. Raises StorageError when that is not possible."""
        with self._lock:
            try:
                file, number = self._current()
                segment.write(file, records)
                segment.sync(file)
            except OSError as error:
                self._undo()
                raise self._failure(error) from error
            known = self._segments[number]
            known.size_bytes += sum(map(segment.size_of, records))
            known.samples += sum(record.samples for record in records)
            self._bound()

    def read(self, max_samples: int) -> list[Taken]:
        """The oldest records that were not taken, with about ``max_samples`` samples, at least one record."""
        with self._lock:
            found: list[Taken] = []
            samples = 0
            try:
                for taken in self._records():
                    samples += taken.record.samples
                    if found and samples > max_samples:
                        break
                    found.append(taken)
            except OSError as error:
                raise self._failure(error) from error
            return found

    def take(self, records: Sequence[Taken]) -> None:
        """Note that records, the oldest, are done; those that were dropped meanwhile do not matter."""
        with self._lock:
            for record, end in records:
                if end > self._position and end.number in self._segments:
                    self._segments[end.number].samples -= record.samples
                    self._position = end
            try:
                self._remove_taken()
                self._store_position()
            except OSError as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._abandon()

    # Segments

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}{_ENDING}"

    def _load(self) -> None:
        """Find the segments and count what waits; a damaged end is left behind, never written after."""
        numbers = sorted(int(path.stem) for path in self._folder.glob(f"*{_ENDING}") if path.stem.isdigit())
        for number in numbers:
            offset = self._position.offset if number == self._position.number else 0
            is_done = number < self._position.number
            samples = (
                0 if is_done else sum(s.record.samples for s in segment.read(self._path(number), offset))
            )
            self._segments[number] = _Segment(self._path(number).stat().st_size, samples)
        self._remove_taken()

    def _current(self) -> tuple[BinaryIO, int]:
        """The segment to write to; after a start, a failure or when one is full, a new one."""
        newest = max(self._segments, default=self._position.number)
        if self._file is not None and self._segments[newest].size_bytes < self._segment_bytes:
            return self._file, newest
        self._abandon()
        self._file = segment.create(self._path(newest + 1))
        self._segments[newest + 1] = _Segment(len(segment.MAGIC), 0)
        return self._file, newest + 1

    def _undo(self) -> None:
        """Cut off what a failed append has left, and write no more to that file."""
        was_open = self._file is not None
        self._abandon()
        if was_open and self._segments:
            newest = max(self._segments)
            with contextlib.suppress(OSError):
                os.truncate(self._path(newest), self._segments[newest].size_bytes)

    def _abandon(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _records(self) -> Iterator[Taken]:
        for number in sorted(self._segments):
            if number < self._position.number:
                continue
            offset = self._position.offset if number == self._position.number else 0
            for record, end in segment.read(self._path(number), offset):
                yield Taken(record, Place(number, end))

    def _bound(self) -> None:
        """Drop the oldest segments, all but the newest, until the rest is small enough."""
        while self._size_bytes() > self._max_bytes and len(self._segments) > 1:
            oldest = min(self._segments)
            self.dropped_samples += self._segments[oldest].samples
            self._remove(oldest)
            self._position = max(self._position, Place(oldest + 1, 0))

    def _size_bytes(self) -> int:
        return sum(known.size_bytes for known in self._segments.values())

    def _remove_taken(self) -> None:
        """Remove segments before the position, and those that nothing is left in, but the newest."""
        newest = max(self._segments, default=0)
        for number in [n for n in self._segments if n < newest]:
            if number < self._position.number or self._segments[number].samples <= 0:
                self._remove(number)

    def _remove(self, number: int) -> None:
        self._path(number).unlink(missing_ok=True)
        del self._segments[number]

    # The position

    def _load_position(self) -> Place:
        try:
            number, offset = (self._folder / _POSITION).read_text(encoding="ascii").split()
            return Place(int(number), int(offset))
        except (FileNotFoundError, ValueError):
            return Place(0, 0)

    def _store_position(self) -> None:
        path = self._folder / _POSITION
        new = path.with_suffix(".new")
        new.write_text(f"{self._position.number} {self._position.offset}\n", encoding="ascii")
        os.replace(new, path)  # noqa: PTH105 - the name says that it replaces

    def _failure(self, error: OSError) -> StorageError:
        return StorageError(f"cannot use the queue in {self._folder}: {error.strerror or error}")
