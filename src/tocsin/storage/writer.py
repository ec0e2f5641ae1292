"""The thread that writes: it commits what has arrived since its last commit, in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import orjson

from tocsin.errors import StorageError
from tocsin.model import SampleBatch, stale_mask
from tocsin.storage.admission import REASONS, Admission, Verdict
from tocsin.storage.catalogue import BEGINNING_MS
from tocsin.storage.head import Head
from tocsin.storage.runs import Floats, Ints

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

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Write:
    """A batch on its way to the writer thread, and who waits for it."""

    batch: SampleBatch
    done: Future[None]


@dataclass(frozen=True, slots=True)
class _Job:
    """Something to be done between two commits, and who waits for it."""

    work: Callable[[], None]
    done: Future[None]


class Writer:
    """Writes batches to the file, then shows them to queries and lets whoever waits go on.

    ``samples`` counts those that were stored, and ``refused`` the others by reason.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        head: Head,
        *,
        admission: Admission,
        unit_ms: int,
    ) -> None:
        self._connection = connection
        self._path = path
        self._head = head
        self._admission = admission
        self._unit_ms = unit_ms
        self._stored_series = len(head.index)
        self._sealed_ms = BEGINNING_MS
        self._late_units: set[int] = set()
        self.samples = 0
        self.refused = dict.fromkeys(REASONS, 0)
        self._items: queue.SimpleQueue[_Write | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tocsin-storage", daemon=True)
        self._thread.start()

    async def write(self, batch: SampleBatch) -> None:
        """Store a batch; on return it is durable and visible to queries.

        Raises SamplesRefusedError when some of it may not be stored; all other samples are then stored.
        """
        write = _Write(batch, Future())
        self._items.put(write)
        await asyncio.wrap_future(write.done)

    def run(self, work: Callable[[], None]) -> None:
        """Do something between two commits; for another thread. Raises what it raises."""
        job = _Job(work, Future())
        self._items.put(job)
        job.done.result()

    def begin_sealing(self, sealed_ms: int) -> None:
        """Samples up to a time are late from now on; to be called by :meth:`run`."""
        self._sealed_ms = sealed_ms
        self._late_units.clear()

    def close(self) -> None:
        """Finish what has arrived, and wait for that."""
        self._items.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            writes, jobs, closing = self._arrived()
            if writes:
                self._commit(writes)
            for job in jobs:
                _do(job)
            if closing:
                return

    def _arrived(self) -> tuple[list[_Write], list[_Job], bool]:
        """Wait for something, then take all that there is up to the first job."""
        writes: list[_Write] = []
        item = self._items.get()
        with contextlib.suppress(queue.Empty):
            while isinstance(item, _Write):
                # From here on whoever waits can no longer call the batch off.
                if item.done.set_running_or_notify_cancel():
                    writes.append(item)
                item = self._items.get_nowait()
            if isinstance(item, _Job):
                return writes, [item], False
            return writes, [], True
        return writes, [], False

    def _commit(self, writes: list[_Write]) -> None:
        batches = [write.batch for write in writes]
        try:
            verdicts = [self._admission.judge(batch) for batch in batches]
            taken = np.concatenate([verdict.taken for verdict in verdicts])
            ids = np.concatenate([verdict.series_ids for verdict in verdicts])[taken]
            times = np.concatenate([batch.timestamps_ms for batch in batches])[taken]
            values = np.concatenate([batch.values for batch in batches])[taken]
            self._store(ids, times, values)
        # The guard of the writer thread: whoever waits for a batch is told what became of it.
        except Exception as error:  # noqa: BLE001
            failure = StorageError(f"cannot write {self._path}: {_first_line(error)}")
            for write in writes:
                write.done.set_exception(failure)
            return
        self._head.append_samples(ids, times, values)
        self.samples += len(values)
        for write, verdict in zip(writes, verdicts, strict=True):
            self._tell(write, verdict)

    def _tell(self, write: _Write, verdict: Verdict) -> None:
        """Tell whoever waits for a batch that it is stored, or how much of it is not."""
        if verdict.error is None:
            write.done.set_result(None)
            return
        for reason, count in verdict.refused.items():
            self.refused[reason] += count
        write.done.set_exception(verdict.error)

    def _store(self, ids: Ints, times_ms: Ints, values: Floats) -> None:
        """Write samples, and series that are not in the file yet, in one transaction."""
        known_series = len(self._head.index)
        late_units = self._new_late_units(times_ms)
        self._connection.begin()
        try:
            if known_series > self._stored_series:
                self._insert_series(self._stored_series, known_series)
            self._insert_samples(_sample_arrays(ids, times_ms, values))
            for unit_end_ms in late_units:
                self._connection.execute("INSERT INTO late VALUES (?)", [unit_end_ms])
            self._connection.commit()
        except duckdb.Error:
            # A commit that failed has rolled back by itself.
            with contextlib.suppress(duckdb.Error):
                self._connection.rollback()
            raise
        self._stored_series = known_series
        self._late_units |= late_units

    def _new_late_units(self, times_ms: Ints) -> set[int]:
        """The units that were summarised without these samples, and are not marked as such yet."""
        if not len(times_ms) or times_ms.min() > self._sealed_ms:
            return set()
        late_ms = times_ms[times_ms <= self._sealed_ms]
        units = np.unique(-(-late_ms // self._unit_ms) * self._unit_ms)
        return set(units.tolist()) - self._late_units

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


def _do(job: _Job) -> None:
    """Do a job, and hand what it raises to whoever waits."""
    try:
        job.work()
    # The guard of the writer thread: it must go on whatever a job does.
    except Exception as error:  # noqa: BLE001
        job.done.set_exception(error)
    else:
        job.done.set_result(None)


def _sample_arrays(ids: Ints, times_ms: Ints, values: Floats) -> Arrays:
    kind = np.where(np.isnan(values), np.where(stale_mask(values), _STALE, _NAN), _NUMBER)
    return {
        "series_id": ids.astype(np.uint32),
        "timestamp_ms": times_ms,
        "value": values,
        "kind": kind.astype(np.uint8),
    }


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
