"""Blocks: folders of Parquet files that hold one tier for a time, and are never changed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from tocsin.storage.encryption import KEY_NAME, copy_options, read_options
from tocsin.storage.key import EncryptionKey
from tocsin.storage.statements import SERIES_OF_BLOCK
from tocsin.storage.sums import sum_faults, write_sums

FOLDER_NAME: Final = "blocks"
SERIES_FILE: Final = "series.parquet"

_UNFINISHED: Final = "unfinished-"
_OURS: Final = re.compile(r"[a-z0-9]+-[0-9TZ-]+-\d+|" + _UNFINISHED + ".*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Parquet's second version keeps differences of whole numbers; a dictionary would come before that. The level
# of compression saves a tenth over the usual one, for 0.2 µs a sample, and is read as fast.
_FORMAT: Final = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 19, DICTIONARY_SIZE_LIMIT 100"
)


@dataclass(frozen=True, slots=True)
class Block:
    """What a block holds: the rows of a tier with ``start_ms < t <= end_ms``.

    They stand in ``file_count`` files, each of which has some of the series.
    """

    name: str
    resolution_ms: int
    start_ms: int
    end_ms: int
    row_count: int = 0
    byte_count: int = 0
    file_count: int = 0


class BlockFolder:
    """The folder with all blocks of a store.

    If there is a key they are encrypted; connections know it by ``key_name`` (see encryption.prepare).
    """

    def __init__(self, path: Path, key: EncryptionKey | None = None, key_name: str = KEY_NAME) -> None:
        self.path = path
        self._options = _FORMAT + copy_options(key, key_name)
        self._config = read_options(key, key_name)

    def rows_files(self, block: Block) -> list[str]:
        """The files with a block's rows."""
        return [str(self.path / block.name / _rows_name(number)) for number in range(block.file_count)]

    def series_file(self, block: Block) -> str:
        """The file with the labels of a block's series."""
        return str(self.path / block.name / SERIES_FILE)

    def reader(self, parameter: str = "files") -> str:
        """SQL that reads the files of a parameter."""
        return f"read_parquet(${parameter}{self._config})"

    def write(
        self,
        cursor: duckdb.DuckDBPyConnection,
        statement: str,
        values: Mapping[str, Any],
        parts: Sequence[tuple[int, int]],
        block: Block,
    ) -> Block:
        """Write a block durably, a file for each of some ranges of series; returns it with its size.

        The statement asks for ``$first_id`` and ``$last_id``. Raises duckdb.Error or OSError; what a death
        leaves behind is cleared away by :meth:`clear`.
        """
        unfinished = self._begin(block)
        row_count = 0
        for number, (first_id, last_id) in enumerate(parts):
            bounds = {"first_id": first_id, "last_id": last_id}
            row_count += self._copy(cursor, statement, {**values, **bounds}, unfinished / _rows_name(number))
        files = [str(unfinished / _rows_name(number)) for number in range(len(parts))]
        labels = SERIES_OF_BLOCK.format(reader=self.reader())
        self._copy(cursor, labels, {"files": files}, unfinished / SERIES_FILE)
        return self._finish(unfinished, replace(block, row_count=row_count, file_count=len(parts)))

    def copy(self, cursor: duckdb.DuckDBPyConnection, source: BlockFolder, block: Block, name: str) -> Block:
        """Write a block of another folder, whose key the cursor knows as well, under a new name.

        Returns it with its size.
        """
        copied = replace(block, name=name)
        unfinished = self._begin(copied)
        for file in (*source.rows_files(block), source.series_file(block)):
            target = unfinished / Path(file).name
            self._copy(cursor, f"FROM {source.reader()}", {"files": [file]}, target)
        return self._finish(unfinished, copied)

    def _begin(self, block: Block) -> Path:
        unfinished = self.path / f"{_UNFINISHED}{block.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        return unfinished

    def _copy(
        self, cursor: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, Any], target: Path
    ) -> int:
        """Write what a statement gives to a file; returns how many rows that is."""
        place = str(target).replace("'", "''")
        copied = cursor.execute(f"COPY ({statement}) TO '{place}' ({self._options})", values).fetchone()
        return int(copied[0]) if copied else 0

    def _finish(self, unfinished: Path, block: Block) -> Block:
        """Make what was written durable, and give it its name."""
        byte_count = sum(path.stat().st_size for path in unfinished.iterdir())
        write_sums(unfinished)
        for path in (*unfinished.iterdir(), unfinished):
            sync(path)
        unfinished.rename(self.path / block.name)
        sync(self.path)
        return replace(block, byte_count=byte_count)

    def remove(self, names: Iterable[str]) -> None:
        """Remove blocks; it does not matter if they are gone."""
        for name in names:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def clear(self, known: Iterable[str]) -> None:
        """Remove what a death left behind: blocks that are unfinished or that the store does not know."""
        kept = frozenset(known)
        with contextlib.suppress(FileNotFoundError):
            for path in self.path.iterdir():
                if path.name not in kept and _OURS.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True)

    def faults(self, block: Block) -> Iterator[str]:
        """What is wrong with the files of a block, by their sums; one sentence each."""
        files = (*self.rows_files(block), self.series_file(block))
        return sum_faults(self.path / block.name, (Path(file).name for file in files))

    def missing(self, blocks: Iterable[Block]) -> list[Block]:
        """Blocks whose files are not there."""
        return [block for block in blocks if not all(Path(file).is_file() for file in self.rows_files(block))]


def _rows_name(number: int) -> str:
    return f"rows-{number:03}.parquet"


def block_name(tier: str, start_ms: int, end_ms: int, generation: int) -> str:
    """What the folder of a block is called; a later generation replaces an earlier one."""
    return f"{tier}-{_time(start_ms)}-{_time(end_ms)}-{generation}"


def renamed(block: Block, generation: int) -> str:
    """What a block is called that has the same rows."""
    return f"{block.name.rpartition('-')[0]}-{generation}"


def next_generation(blocks: Iterable[Block]) -> int:
    """A number that no block has in its name."""
    return max((int(block.name.rpartition("-")[2]) for block in blocks), default=0) + 1


def _time(time_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=time_ms)).strftime("%Y%m%dT%H%M%SZ")


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
