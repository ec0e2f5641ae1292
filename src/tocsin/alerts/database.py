"""The file that remembers alerts, notifications, silences and incidents over restarts."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from tocsin.errors import StorageError

FILE_NAME: Final = "alerting.sqlite"

Row: TypeAlias = Sequence[Any]

_MAX_WAITING: Final = 100_000
_BUSY_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class Database:
    """An SQLite file, or memory where there is no path.

    What is written is there after a ``kill -9``; after a loss of power the last moments may be missing. When
    the disk takes nothing, what was to be written waits in memory and is tried again with the next write, so
    that alerting goes on. It belongs to one thread at a time. Raises StorageError when the file is no
    database or cannot be opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._name = str(path or "memory")
        self._waiting: list[tuple[str, list[Row]]] = []
        self._is_failing = False
        self._is_batching = False
        self._committed: asyncio.Future[None] | None = None
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            # Alone with the file, SQLite needs no shared memory beside it, for which a full disk has no room.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{self._name} cannot be used: {error} (move it away to begin without what it remembers)"
            ) from error

    def create(self, statements: Iterable[str]) -> None:
        """Make tables where they are missing; raises StorageError."""
        try:
            for statement in statements:
                self._connection.execute(statement)
        except sqlite3.Error as error:
            raise StorageError(f"{self._name} cannot be written: {error}") from error

    def read(self, statement: str, values: Row = ()) -> list[Row]:
        """Rows of a query, with all that waits to be written taken into account where it could be written."""
        self.flush()
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name} cannot be read: {error}") from error

    def write(self, statement: str, rows: Iterable[Row]) -> None:
        """Execute a statement for each row, all or none; what the disk does not take waits."""
        self._waiting.append((statement, list(rows)))
        if not self._is_batching:
            self.flush()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Commit what is written inside together with all other batches of this turn of the event loop.

        Thousands of groups that are told at once then share some hundred transactions. Inside there is no
        ``await``.
        """
        self._is_batching = True
        try:
            yield
        finally:
            self._is_batching = False
            if self._committed is None:
                loop = asyncio.get_running_loop()
                self._committed = loop.create_future()
                loop.call_soon(self._commit, self._committed)

    async def committed(self) -> None:
        """Wait until the batches so far are on the disk, or wait for it to take them."""
        if self._committed is not None:
            await asyncio.shield(self._committed)

    def _commit(self, committed: asyncio.Future[None]) -> None:
        self._committed = None
        self.flush()
        committed.set_result(None)

    @property
    def waiting(self) -> int:
        """How many writes the disk has not taken yet."""
        return len(self._waiting)

    def flush(self) -> None:
        """Try to write what waits."""
        if not self._waiting:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, rows in self._waiting:
                    self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if not self._is_failing:
                _log.warning("%s cannot be written, will try again: %s", self._name, error)
            self._is_failing = True
            del self._waiting[:-_MAX_WAITING]
        else:
            self._is_failing = False
            self._waiting.clear()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        self._connection.close()
