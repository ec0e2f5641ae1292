"""A sample of inputs, outputs and labels as JSON lines, written beside the requests and never by them."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from tocsin.sdk.guard import Guard
from tocsin.sdk.readings import Reading

MOST_WAITING: Final = 256
"""Entries that wait to be written; while it is full further ones are dropped and counted."""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SampleLog:
    """Where a sample of requests is written, and how much of it there may be.

    ``rate`` is the share of requests, 0 to 1. ``redact`` gets each entry before it is written, a dict of
    plain data with ``timestamp``, ``model``, ``id`` and ``inputs``, ``outputs`` or ``label``, and returns
    what may be written, or None; an entry at which it fails is not written. An entry of more than
    ``entry_bytes`` loses its inputs and outputs and says ``"truncated": true``. A file of more than
    ``file_bytes`` becomes ``<path>.1``, and ``files`` of them stay beside the current one.
    """

    path: str | os.PathLike[str]
    rate: float = 0.01
    redact: Callable[[Entry], Entry | None] | None = None
    entry_bytes: int = 65_536
    file_bytes: int = 10_000_000
    files: int = 5


class SampleWriter:
    """Chooses entries in the thread of a request, and writes them in that of the sender."""

    def __init__(self, log: SampleLog, model: str, guard: Guard) -> None:
        self.path = Path(log.path)
        self._log = log
        self._model = model
        self._guard = guard
        self._waiting: deque[Entry] = deque()
        self._written = 0
        self._dropped = 0
        # Of its own, so that it takes nothing from a seeded sequence of the program.
        self._random = random.Random()  # noqa: S311 - it chooses a sample

    def tell_apart(self, worker: str) -> None:
        """Write to a file of its own beside those of other workers: ``samples-1.jsonl``."""
        if worker != "0":
            path = Path(self._log.path)
            self.path = path.with_name(f"{path.stem}-{worker}{path.suffix}")

    def offer(self, key: object | None, **parts: Any) -> None:
        """Take an entry if it is in the sample: all entries of an id are, or none."""
        if not self._is_chosen(key):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._waiting.append({"timestamp": now, "model": self._model, "id": key, **parts})

    def write(self) -> None:
        """Write what waits; what cannot be written is dropped and counted, and told once."""
        lines = list(self._lines())
        if not lines:
            return
        with self._guard.around("sample log", f"samples of requests cannot be written to {self.path}"):
            self._append(lines)
            self._written += len(lines)
            return
        self._dropped += len(lines)

    def readings(self) -> Iterator[Reading]:
        """How many entries were written, and how many dropped."""
        yield Reading("inference_samples_written_total", float(self._written))
        yield Reading("inference_samples_dropped_total", float(self._dropped))

    def _is_chosen(self, key: object | None) -> bool:
        rate = self._log.rate
        share = self._random.random() if key is None else crc32(str(key).encode("utf-8", "replace")) / 2**32
        return share < rate

    def _lines(self) -> Iterator[bytes]:
        for _ in range(len(self._waiting)):
            entry = self._waiting.popleft()
            sentence = "a sample of a request is dropped, as it cannot be written"
            with self._guard.around("sample", sentence, is_private=True):
                line = self._line(entry)
                if line is not None:
                    yield line
                continue
            self._dropped += 1

    def _line(self, entry: Entry) -> bytes | None:
        line = _json(entry)
        kept: Entry | None = entry
        if self._log.redact is not None:
            # Read back, so that it may change what it gets, which is plain data, without changing the
            # program's.
            kept = self._log.redact(json.loads(line))
            line = _json(kept or {})
        if kept is None:
            return None
        if len(line) > self._log.entry_bytes:
            line = _json(
                {**{name: kept.get(name) for name in ("timestamp", "model", "id")}, "truncated": True}
            )
        return line

    def _append(self, lines: list[bytes]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for line in lines:
            if self._size() + len(line) > self._log.file_bytes:
                self._rotate()
            # What people asked and were told is nobody else's business.
            with open(self.path, "ab", opener=_open_private) as file:
                file.write(line)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _rotate(self) -> None:
        if not self.path.exists():
            return
        if self._log.files < 1:
            self.path.unlink()
            return
        for number in range(self._log.files - 1, 0, -1):
            older = Path(f"{self.path}.{number}")
            if older.exists():
                older.replace(f"{self.path}.{number + 1}")
        self.path.replace(f"{self.path}.1")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _json(entry: Entry) -> bytes:
    return json.dumps(entry, default=_plain, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _plain(value: Any) -> Any:
    """What JSON has no word for: arrays and tensors as lists, all else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
