"""The embedded store: a DuckDB file that holds the truth, and the newest hours in memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import orjson

from tocsin.errors import SeriesLimitError, StorageError
from tocsin.model import (
    STALE_NAN,
    Clock,
    Columns,
    Labels,
    Matcher,
    MetricMetadata,
    MetricType,
    SampleBatch,
    SystemClock,
    stale_mask,
)
from tocsin.storage.blocks import Runs, blocks_from_runs, runs_from_sorted
from tocsin.storage.file import open_store
from tocsin.storage.head import Head
from tocsin.storage.index import REFUSED
from tocsin.storage.usage import StorageUsage

FILE_NAME: Final = "tocsin.duckdb"

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_UPKEEP_INTERVAL_S: Final = 600.0
_MEMORY_LIMIT: Final = "512MB"

# A NumPy NaN would arrive in DuckDB as NULL, so what kind of number it is travels beside it.
_NUMBER, _NAN, _STALE = 0, 1, 2
_INSERT_SAMPLES: Final = f"""
    INSERT INTO samples
    SELECT series_id, timestamp_ms, CASE kind WHEN {_NUMBER} THEN value WHEN {_NAN} THEN 'NaN'::DOUBLE END
    FROM arriving
"""  # noqa: S608 - constants
# Texts in NumPy arrays would make DuckDB look for pandas again and again; one JSON text does not.
_INSERT_SERIES: Final = """
    INSERT INTO series
    SELECT $first + generate_subscripts(arriving, 1) - 1, unnest(arriving)
    FROM (SELECT $labels::JSON::MAP(VARCHAR, VARCHAR)[] AS arriving)
"""
_SELECT_SAMPLES: Final = """
    SELECT series_id, timestamp_ms, value FROM samples JOIN wanted USING (series_id)
    WHERE timestamp_ms BETWEEN $1 AND $2 ORDER BY series_id, timestamp_ms, samples.rowid
"""
_SELECT_NEWEST: Final = """
    SELECT series_id, timestamp_ms, value FROM samples WHERE timestamp_ms >= $1
    ORDER BY series_id, timestamp_ms, rowid
"""
_SELECT_SERIES: Final = """
    SELECT DISTINCT series_id FROM samples JOIN wanted USING (series_id) WHERE timestamp_ms BETWEEN $1 AND $2
"""

_COUNT_SAMPLES: Final = "SELECT count(*), min(timestamp_ms), max(timestamp_ms) FROM samples"
_COUNT_RECENT: Final = "SELECT count(*) FROM samples WHERE timestamp_ms BETWEEN ? AND ?"
_DELETE_ENDED_SERIES: Final = """
    DELETE FROM series WHERE id NOT IN (SELECT DISTINCT series_id FROM samples) RETURNING id
"""

_logger = logging.getLogger(__name__)

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """How long samples are kept, in memory and on disk, and of how many series at most."""

    hot_ms: int = 4 * _HOUR_MS
    retention_ms: int = 15 * 24 * _HOUR_MS
    max_series: int = 1_000_000


@dataclass(frozen=True, slots=True)
class _Write:
    """A batch on its way to the writer thread, and who waits for it."""

    batch: SampleBatch
    done: Future[None]


class DuckDBStorage:
    """Samples in ``<folder>/tocsin.duckdb``.

    One thread writes: it commits what has arrived since its last commit in one transaction, then
    shows it to queries and lets :meth:`append` return. So what was acknowledged survives the death
    of the process. Queries that begin within the newest hours are answered from memory, older ones
    from the file.

    Raises StorageError when the file is in use, damaged or not a store. ``refused_samples`` counts what
    :meth:`append` refused because its series would have been one too many.
    """

    def __init__(
        self, folder: Path, settings: StorageSettings = StorageSettings(), clock: Clock | None = None
    ) -> None:
        self.path = folder / FILE_NAME
        self._settings = settings
        self._clock = clock or SystemClock()
        self._connection = open_store(self.path)
        self._connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        self._head = Head()
        self._load()
        self._stored_series = len(self._head.index)
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self.refused_samples = 0
        self._closed = False
        self._writer = threading.Thread(target=self._write_until_closed, name="tocsin-storage", daemon=True)
        self._writer.start()

    # Reading

    @property
    def memory_start_ms(self) -> int:
        """From this time on samples are in memory: selecting them waits for no disk and no network."""
        return self._head.start_ms

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        if start_ms >= self._head.start_ms:
            return self._head.select(matchers, start_ms, end_ms)
        rows = self._read(_SELECT_SAMPLES, matchers, start_ms, end_ms)
        return blocks_from_runs(_runs(rows), self._head.index.labels_of)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample in the range, sorted."""
        if start_ms >= self._head.start_ms:
            return self._head.series(matchers, start_ms, end_ms)
        found = self._read(_SELECT_SERIES, matchers, start_ms, end_ms)["series_id"]
        return sorted(self._head.index.labels_of(found))

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family."""
        return self._head.metadata()

    def usage(self) -> StorageUsage:
        """How much there is, how large it is, and how large it will become; raises StorageError."""
        end_ms = self._clock.now_ms()
        try:
            with self._connection.cursor() as cursor:
                samples, oldest_ms, newest_ms = cursor.execute(_COUNT_SAMPLES).fetchone() or (0, None, None)
                recent = cursor.execute(_COUNT_RECENT, [end_ms - _DAY_MS, end_ms]).fetchone() or (0,)
            disk_free_bytes = shutil.disk_usage(self.path.parent).free
        except (duckdb.Error, OSError) as error:
            raise StorageError(f"cannot read {self.path}: {_first_line(error)}") from error
        age_ms = end_ms - oldest_ms if oldest_ms is not None else 0
        return StorageUsage(
            path=str(self.path),
            file_bytes=self.file_bytes,
            disk_free_bytes=disk_free_bytes,
            series=self.series_count,
            samples=samples,
            samples_a_day=recent[0] * _DAY_MS / min(_DAY_MS, age_ms) if age_ms >= _HOUR_MS else None,
            oldest_ms=oldest_ms,
            newest_ms=newest_ms,
            retention_ms=self._settings.retention_ms,
        )

    @property
    def series_count(self) -> int:
        """How many series there are."""
        return self._head.index.series_count

    @property
    def file_bytes(self) -> int:
        """The size of the file and its write-ahead log."""
        files = (self.path, self.path.with_name(f"{self.path.name}.wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _read(self, statement: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Arrays:
        wanted = {"series_id": self._head.match(matchers).astype(np.uint32)}
        try:
            with self._connection.cursor() as cursor:
                cursor.register("wanted", wanted)
                return cursor.execute(statement, [start_ms, end_ms]).fetchnumpy()
        except duckdb.Error as error:
            raise StorageError(f"cannot read {self.path}: {_first_line(error)}") from error

    # Writing

    async def append(self, batch: SampleBatch) -> None:
        """Store a batch; on return it is durable and visible to queries.

        Raises SeriesLimitError when it holds new series and there may be no more; the samples of all
        others are then stored.
        """
        if self._closed:
            raise StorageError(f"{self.path} is closed")
        if len(batch) == 0:
            return
        write = _Write(batch, Future())
        self._writes.put(write)
        await asyncio.wrap_future(write.done)

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families; the latest word counts."""
        self._head.describe(metadata)

    async def close(self) -> None:
        """Finish pending writes and release the file."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        try:
            self._store_metadata()
        except duckdb.Error as error:
            _logger.warning("cannot store metadata in %s: %s", self.path, _first_line(error))
        finally:
            self._connection.close()

    def _write_until_closed(self) -> None:
        """Commit what has arrived, over and over; the writer thread."""
        next_upkeep_ms = self._clock.now_ms()
        while True:
            writes, closing = self._arrived()
            if writes:
                self._commit(writes)
            if closing:
                return
            if self._clock.now_ms() >= next_upkeep_ms:
                self._keep_up()
                next_upkeep_ms = self._clock.now_ms() + round(_UPKEEP_INTERVAL_S * 1000)

    def _arrived(self) -> tuple[list[_Write], bool]:
        """Wait for a write or for time to keep up, then take all that there are."""
        writes: list[_Write] = []
        try:
            item = self._writes.get(timeout=_UPKEEP_INTERVAL_S)
            while item is not None:
                # From here on whoever waits can no longer call the batch off.
                if item.done.set_running_or_notify_cancel():
                    writes.append(item)
                item = self._writes.get_nowait()
        except queue.Empty:
            return writes, False
        return writes, True

    def _commit(self, writes: list[_Write]) -> None:
        batches = [write.batch for write in writes]
        try:
            ids = [self._head.ids(batch, self._settings.max_series) for batch in batches]
            all_ids = np.concatenate(ids)
            taken = all_ids != REFUSED
            times = np.concatenate([batch.timestamps_ms for batch in batches])[taken]
            values = np.concatenate([batch.values for batch in batches])[taken]
            self._store(all_ids[taken], times, values)
        # The guard of the writer thread: whoever waits for a batch is told what became of it.
        except Exception as error:  # noqa: BLE001
            failure = StorageError(f"cannot write {self.path}: {_first_line(error)}")
            for write in writes:
                write.done.set_exception(failure)
            return
        self._head.append_samples(all_ids[taken], times, values)
        for write, series_ids in zip(writes, ids, strict=True):
            self._tell(write, int(np.count_nonzero(series_ids == REFUSED)))

    def _tell(self, write: _Write, refused: int) -> None:
        """Tell whoever waits for a batch that it is stored, or how much of it is not."""
        if not refused:
            write.done.set_result(None)
            return
        self.refused_samples += refused
        count = self._head.index.series_count
        write.done.set_exception(
            SeriesLimitError(
                f"{refused} samples of new series are refused: there are {count} series, "
                "which is as many as there may be (storage.max_series)"
            )
        )

    def _store(
        self, ids: npt.NDArray[np.int64], times: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
    ) -> None:
        """Write samples, and series that are not in the file yet, in one transaction."""
        known_series = len(self._head.index)
        self._connection.begin()
        try:
            if known_series > self._stored_series:
                self._insert_series(self._stored_series, known_series)
            self._insert_samples(_sample_arrays(ids, times, values))
            self._connection.commit()
        except duckdb.Error:
            # A commit that failed has rolled back by itself.
            with contextlib.suppress(duckdb.Error):
                self._connection.rollback()
            raise
        self._stored_series = known_series

    def _insert_series(self, first: int, end: int) -> None:
        labels = self._head.index.labels_of(np.arange(first, end))
        text = orjson.dumps([dict(item.pairs) for item in labels]).decode()
        self._connection.execute(_INSERT_SERIES, {"first": first, "labels": text})

    def _insert_samples(self, arrays: Arrays) -> None:
        self._connection.register("arriving", arrays)
        try:
            self._connection.execute(_INSERT_SAMPLES)
        finally:
            self._connection.unregister("arriving")

    def _store_metadata(self) -> None:
        rows = [(name, item.type, item.help, item.unit) for name, item in self._head.metadata().items()]
        if rows:
            self._connection.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", rows)

    # Upkeep

    def _keep_up(self) -> None:
        """Forget what is older than memory and disk are meant to hold."""
        now_ms = self._clock.now_ms()
        self._head.trim(now_ms - self._settings.hot_ms)
        try:
            removed = self._connection.execute(
                "DELETE FROM samples WHERE timestamp_ms < ?", [now_ms - self._settings.retention_ms]
            ).fetchone()
            if removed and removed[0]:
                self._remove_ended_series()
        except duckdb.Error as error:
            _logger.warning("cannot remove old samples from %s: %s", self.path, _first_line(error))

    def _remove_ended_series(self) -> None:
        """Forget the series whose last sample is gone, so that runs of last year take no memory."""
        ended = self._connection.execute(_DELETE_ENDED_SERIES).fetchnumpy()["id"].astype(np.int64)
        if len(ended):
            self._head.forget_series(ended)

    def _load(self) -> None:
        """Read all series, and the samples of the newest hours."""
        try:
            rows = self._connection.execute("SELECT id, labels FROM series ORDER BY id").fetchall()
            self._head.index.load([number for number, _ in rows], [Labels(labels) for _, labels in rows])
            described = self._connection.execute("SELECT metric, type, help, unit FROM metadata").fetchall()
            self._head.describe(
                {name: MetricMetadata(MetricType(kind), text, unit) for name, kind, text, unit in described}
            )
            self._head.trim(self._clock.now_ms() - self._settings.hot_ms)
            newest = self._connection.execute(_SELECT_NEWEST, [self._head.start_ms]).fetchnumpy()
            self._head.load(_runs(newest))
        except duckdb.Error as error:
            raise StorageError(f"{self.path} is damaged: {_first_line(error)}") from error


def _sample_arrays(
    ids: npt.NDArray[np.int64], times: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> Arrays:
    kind = np.where(np.isnan(values), np.where(stale_mask(values), _STALE, _NAN), _NUMBER)
    return {
        "series_id": ids.astype(np.uint32),
        "timestamp_ms": times,
        "value": values,
        "kind": kind.astype(np.uint8),
    }


def _runs(rows: Arrays) -> Runs:
    """Make runs of samples as DuckDB gives them, sorted by series and time."""
    values = rows["value"]
    if isinstance(values, np.ma.MaskedArray):
        values = values.filled(STALE_NAN)
    return runs_from_sorted(rows["series_id"].astype(np.int64), rows["timestamp_ms"], values)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
