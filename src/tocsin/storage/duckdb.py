"""The embedded store: a DuckDB file and blocks that hold the truth, and the newest hours in memory."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from tocsin.errors import StorageError
from tocsin.model import (
    Clock,
    Columns,
    Labels,
    Matcher,
    MetricMetadata,
    MetricType,
    SampleBatch,
    SystemClock,
)
from tocsin.storage import encryption
from tocsin.storage.admission import TOO_OLD, Admission
from tocsin.storage.blocks import FOLDER_NAME, BlockFolder
from tocsin.storage.catalogue import read_blocks
from tocsin.storage.file import FILE_NAME, open_store
from tocsin.storage.head import Head
from tocsin.storage.key import EncryptionKey
from tocsin.storage.rows import RowReader
from tocsin.storage.runs import Ints, Runs, columns_from_runs, merge_runs
from tocsin.storage.snapshot import SNAPSHOTS_NAME, write_snapshot
from tocsin.storage.stored_summaries import StoredSummaries
from tocsin.storage.tiers import DAY_MS, HOUR_MS, Tiers
from tocsin.storage.upkeep import Hooks, Upkeep
from tocsin.storage.usage import StorageUsage, measure
from tocsin.storage.writer import Writer

_MEMORY_LIMIT: Final = "256MB"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """How long samples are kept, in memory and on disk, and of how many series at most.

    ``summaries`` are pairs of how long the intervals are that are summarised, and how long the summaries
    are kept, in ascending order. ``out_of_order_ms`` is how late samples may come; None is as late as may be.
    """

    hot_ms: int = 4 * HOUR_MS
    retention_ms: int = 7 * DAY_MS
    max_series: int = 1_000_000
    summaries: tuple[tuple[int, int], ...] = ((300_000, 30 * DAY_MS), (HOUR_MS, 365 * DAY_MS))
    out_of_order_ms: int | None = None


class DuckDBStorage:
    """Samples in ``<folder>/tocsin.duckdb``, and older ones in ``<folder>/blocks``.

    One thread writes (see :class:`~tocsin.storage.writer.Writer`), so that what was acknowledged survives the
    death of the process; another keeps up (see :class:`~tocsin.storage.upkeep.Upkeep`). Queries of the newest
    hours are answered from memory.

    With a key, everything on the disk is encrypted. Raises StorageError when the file is in use, damaged,
    not a store, or of another key.
    """

    def __init__(
        self,
        folder: Path,
        settings: StorageSettings = StorageSettings(),
        clock: Clock | None = None,
        key: EncryptionKey | None = None,
    ) -> None:
        self.path = folder / FILE_NAME
        self.tiers = Tiers.of(settings.retention_ms, settings.summaries)
        self._settings = settings
        self._key = key
        self._clock = clock or SystemClock()
        self._connection = open_store(self.path, key)
        self._connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        self._blocks = BlockFolder(folder / FOLDER_NAME, key)
        self._reader = RowReader(self._connection, self._blocks, key)
        self._head = Head()
        self._stored_metadata: Mapping[str, MetricMetadata] = {}
        self._load()
        # Whoever asked for one is gone.
        shutil.rmtree(folder / SNAPSHOTS_NAME, ignore_errors=True)
        self.summaries = StoredSummaries(self.tiers, self._reader, self._head, self._read)
        admission = Admission(
            self._head,
            self._clock,
            max_series=settings.max_series,
            out_of_order_ms=settings.out_of_order_ms,
        )
        unit_ms = self.tiers.unit_ms
        self._writer = Writer(self._connection, self.path, self._head, admission=admission, unit_ms=unit_ms)
        self._closed = False
        hooks = Hooks(self._all_series, self._read_samples, self._begin_round, self._forget_ended_series)
        self._upkeep = Upkeep(self.tiers, self._reader, self._blocks, self._clock, hooks)
        self._upkeep.start()

    # Reading

    @property
    def memory_start_ms(self) -> int:
        """From this time on samples are in memory: selecting them waits for no disk and no network."""
        return self._head.start_ms

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        if start_ms >= self._head.start_ms:
            return self._head.select(matchers, start_ms, end_ms)
        runs = self._read_samples(self._head.match(matchers), start_ms, end_ms)
        return columns_from_runs(runs, self._head.index.labels_of)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample in the range, sorted."""
        if start_ms >= self._head.start_ms:
            return self._head.series(matchers, start_ms, end_ms)
        series_ids = self._head.match(matchers)
        try:
            with self._reader.snapshot() as cursor:
                found = self._reader.series_ids(cursor, series_ids, start_ms, end_ms)
        except duckdb.Error as error:
            raise self._cannot_read(error) from error
        return sorted(self._head.index.labels_of(found))

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family."""
        return self._head.metadata()

    def usage(self) -> StorageUsage:
        """How much there is, how large it is, and how large it will become; raises StorageError."""
        try:
            with self._reader.snapshot() as cursor:
                return measure(
                    cursor,
                    self.path,
                    self.tiers,
                    series=self.series_count,
                    is_encrypted=self._key is not None,
                    now_ms=self._clock.now_ms(),
                )
        except (duckdb.Error, OSError) as error:
            raise self._cannot_read(error) from error

    @property
    def series_count(self) -> int:
        """How many series there are."""
        return self._head.index.series_count

    @property
    def file_bytes(self) -> int:
        """The size of the file and its write-ahead log."""
        files = (self.path, self.path.with_name(f"{self.path.name}.wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @property
    def block_bytes(self) -> Mapping[str, int]:
        """The size of the blocks of each tier, by its name."""
        return self._upkeep.block_bytes

    @property
    def stored_samples(self) -> int:
        """How many samples were stored since the start."""
        return self._writer.samples

    @property
    def refused_samples(self) -> Mapping[str, int]:
        """How many samples were not kept, by reason (see admission.REASONS)."""
        return {**self._writer.refused, TOO_OLD: self._upkeep.too_old_samples}

    def _read_samples(self, series_ids: Ints, start_ms: int, end_ms: int) -> Runs:
        """The samples of series with ``start_ms <= t <= end_ms``, sorted by series."""
        try:
            with self._reader.snapshot() as cursor:
                return self._read(cursor, series_ids, start_ms, end_ms)
        except duckdb.Error as error:
            raise self._cannot_read(error) from error

    def _read(self, cursor: duckdb.DuckDBPyConnection, series_ids: Ints, start_ms: int, end_ms: int) -> Runs:
        """The same in a transaction: what is in memory from there, what is older from the file and blocks."""
        memory_start_ms, newest = self._head.newest(series_ids, start_ms, end_ms)
        if start_ms >= memory_start_ms:
            return merge_runs(newest)
        older = self._reader.samples(cursor, series_ids, start_ms, min(end_ms, memory_start_ms - 1))
        return merge_runs(older, newest)

    def _cannot_read(self, error: Exception) -> StorageError:
        return StorageError(f"cannot read {self.path}: {_first_line(error)}")

    # Writing

    async def append(self, batch: SampleBatch) -> None:
        """Store a batch; on return it is durable and visible to queries.

        Raises SamplesRefusedError when some of it may not be stored; all other samples are then stored.
        """
        if self._closed:
            raise StorageError(f"{self.path} is closed")
        if len(batch):
            await self._writer.write(batch)

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families; the latest word counts."""
        self._head.describe(metadata)

    async def close(self) -> None:
        """Finish pending writes and release the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._upkeep.close)
        await asyncio.to_thread(self._writer.close)
        try:
            self._store_metadata()
        except duckdb.Error as error:
            _logger.warning("cannot store metadata in %s: %s", self.path, _first_line(error))
        finally:
            self._connection.close()

    def _store_metadata(self) -> None:
        """Write what was described since the last time."""
        metadata = self._head.metadata()
        rows = [
            (name, item.type, item.help, item.unit)
            for name, item in metadata.items()
            if self._stored_metadata.get(name) != item
        ]
        if rows:
            self._connection.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", rows)
            self._stored_metadata = metadata

    # Upkeep

    async def keep_up(self) -> None:
        """Seal, remove and compact what is due by now, rather than within ten minutes.

        Raises StorageError when that fails; it is then tried again.
        """
        try:
            await asyncio.to_thread(self._upkeep.round)
        except (duckdb.Error, OSError) as error:
            raise StorageError(f"cannot keep up {self.path}: {_first_line(error)}") from error

    async def snapshot(self, target: Path) -> None:
        """Write a consistent copy of everything into a new folder; raises StorageError when that fails."""
        try:
            await asyncio.to_thread(self._write_snapshot, target)
        except (duckdb.Error, OSError) as error:
            shutil.rmtree(target, ignore_errors=True)
            raise StorageError(f"cannot write {target}: {_first_line(error)}") from error

    def _write_snapshot(self, target: Path) -> None:
        with self._upkeep.paused(), encryption.cursor(self._connection, self._key) as cursor:
            write_snapshot(cursor, self._blocks, target, self._key)

    def _all_series(self) -> Ints:
        return np.arange(len(self._head.index), dtype=np.int64)

    def _begin_round(self, sealed_ms: int) -> None:
        """Forget what memory is not meant to hold, and take samples up to a time for late."""

        def begin() -> None:
            self._head.trim(self._clock.now_ms() - self._settings.hot_ms)
            self._store_metadata()
            self._writer.begin_sealing(sealed_ms)

        self._writer.run(begin)

    def _forget_ended_series(self) -> None:
        """Forget the series whose last row is gone, so that runs of last year take no memory."""
        self._writer.run(self._forget_series)

    def _forget_series(self) -> None:
        with self._reader.snapshot() as cursor:
            ended = self._reader.delete_ended_series(cursor)
        if len(ended):
            self._head.forget_series(ended)

    def _load(self) -> None:
        """Read all series, and the samples of the newest hours."""
        try:
            rows = self._connection.execute("SELECT id, labels FROM series ORDER BY id").fetchall()
            self._head.index.load([number for number, _ in rows], [Labels(labels) for _, labels in rows])
            described = self._connection.execute("SELECT metric, type, help, unit FROM metadata").fetchall()
            self._stored_metadata = {
                name: MetricMetadata(MetricType(kind), text, unit) for name, kind, text, unit in described
            }
            self._head.describe(self._stored_metadata)
            self._head.trim(self._clock.now_ms() - self._settings.hot_ms)
            with self._reader.snapshot() as cursor:
                blocks = read_blocks(cursor)
                self._head.load(self._reader.samples_from(cursor, self._head.start_ms))
        except duckdb.Error as error:
            raise StorageError(f"{self.path} is damaged: {_first_line(error)}") from error
        self._blocks.clear(block.name for block in blocks)
        for block in self._blocks.missing(blocks):
            _logger.warning(
                "the block %s is missing; its samples are not found", self._blocks.path / block.name
            )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
