"""Reading samples and summaries from the file and the blocks beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt

from tocsin.model import STALE_NAN, SUMMARY_FIELDS
from tocsin.storage import encryption
from tocsin.storage.blocks import Block, BlockFolder
from tocsin.storage.catalogue import overlapping, read_blocks
from tocsin.storage.key import EncryptionKey
from tocsin.storage.runs import Floats, Ints, Runs, last_of_equals, runs_from_sorted
from tocsin.storage.statements import samples_of, summaries_of
from tocsin.storage.summarising import SummaryRows

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

RAW: Final = 0
"""The resolution of samples themselves."""

_END_MS: Final = 2**62
_ROWS_AT_A_TIME: Final = 2_000_000
"""How many samples are read at once when all are, which bounds the memory that it takes."""

_SERIES_OF_TABLES: Final = "SELECT series_id FROM samples UNION SELECT series_id FROM summaries"


class RowReader:
    """Reads what is in the file and in blocks; one transaction sees both as they were at one moment."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, blocks: BlockFolder, key: EncryptionKey | None = None
    ) -> None:
        self._connection = connection
        self._blocks = blocks
        self._key = key

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction that ends with the block; raises duckdb.Error."""
        with encryption.cursor(self._connection, self._key) as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
            except BaseException:
                cursor.rollback()
                raise

    def samples(
        self, cursor: duckdb.DuckDBPyConnection, series_ids: Ints, start_ms: int, end_ms: int
    ) -> Runs:
        """The samples of series with ``start_ms <= t <= end_ms``."""
        rows, values = self._samples(cursor, series_ids, start_ms, end_ms)
        statement = f"{rows} ORDER BY series_id, timestamp_ms, place, row"
        return runs_from_rows(cursor.execute(statement, values).fetchnumpy())

    def samples_from(self, cursor: duckdb.DuckDBPyConnection, start_ms: int) -> Iterator[Runs]:
        """The samples of all series from a time on, some series at a time."""
        (count,) = cursor.execute(
            "SELECT count(*) FROM samples WHERE timestamp_ms >= ?", [start_ms]
        ).fetchone() or (0,)
        (last_id,) = cursor.execute("SELECT coalesce(max(id), 0) FROM series").fetchone() or (0,)
        size = -(-(last_id + 1) // max(1, -(-count // _ROWS_AT_A_TIME)))
        for first_id in range(0, last_id + 1, size):
            yield self.samples(cursor, np.arange(first_id, first_id + size), start_ms, _END_MS)

    def next_sample_ms(self, cursor: duckdb.DuckDBPyConnection, after_ms: int) -> int:
        """A time after ``after_ms`` before which there is no sample; far in the future if there is none."""
        statement = "SELECT min(timestamp_ms) FROM samples WHERE timestamp_ms > ?"
        (found_ms,) = cursor.execute(statement, [after_ms]).fetchone() or (None,)
        starts_ms = [max(block.start_ms, after_ms) + 1 for block in self._ending_after(cursor, after_ms)]
        return min([_END_MS if found_ms is None else found_ms, *starts_ms])

    def _ending_after(self, cursor: duckdb.DuckDBPyConnection, after_ms: int) -> list[Block]:
        return [block for block in read_blocks(cursor, RAW) if block.end_ms > after_ms]

    def delete_ended_series(self, cursor: duckdb.DuckDBPyConnection) -> Ints:
        """Delete the series that have no row any more; returns which they were."""
        files = [self._blocks.series_file(block) for block in read_blocks(cursor)]
        kept = f"{_SERIES_OF_TABLES} UNION SELECT series_id FROM {self._blocks.reader()}"  # noqa: S608
        statement = "DELETE FROM series WHERE id NOT IN ({}) RETURNING id"
        found = cursor.execute(
            statement.format(kept if files else _SERIES_OF_TABLES), {"files": files} if files else {}
        )
        return found.fetchnumpy()["id"].astype(np.int64)

    def series_ids(
        self, cursor: duckdb.DuckDBPyConnection, series_ids: Ints, start_ms: int, end_ms: int
    ) -> Ints:
        """Which of some series have a sample with ``start_ms <= t <= end_ms``."""
        rows, values = self._samples(cursor, series_ids, start_ms, end_ms)
        statement = f"SELECT DISTINCT series_id FROM ({rows})"  # noqa: S608 - our own statement
        found = cursor.execute(statement, values).fetchnumpy()["series_id"]
        return found.astype(np.int64)

    def _samples(
        self, cursor: duckdb.DuckDBPyConnection, series_ids: Ints, start_ms: int, end_ms: int
    ) -> tuple[str, dict[str, Any]]:
        files = self._files(cursor, RAW, start_ms, end_ms)
        rows = samples_of(files, self._blocks.reader())
        statement = f"""
            SELECT series_id, timestamp_ms, value, place, row FROM ({rows}) JOIN wanted USING (series_id)
            WHERE timestamp_ms BETWEEN $start_ms AND $end_ms
                AND series_id BETWEEN $first_id AND $last_id"""  # noqa: S608 - our own statement
        return statement, _values(cursor, files, series_ids, start_ms, end_ms)

    def summaries(
        self,
        cursor: duckdb.DuckDBPyConnection,
        series_ids: Ints,
        start_ms: int,
        end_ms: int,
        *,
        resolution_ms: int,
        fields: Sequence[str] = SUMMARY_FIELDS,
    ) -> SummaryRows:
        """The summaries of series of the intervals that end in ``start_ms <= end <= end_ms``."""
        files = self._files(cursor, resolution_ms, start_ms, end_ms)
        rows = summaries_of(files, self._blocks.reader(), fields)
        statement = f"""
            SELECT * FROM ({rows}) JOIN wanted USING (series_id)
            WHERE end_ms BETWEEN $start_ms AND $end_ms AND series_id BETWEEN $first_id AND $last_id
            ORDER BY series_id, end_ms, place"""  # noqa: S608 - our own statement
        values = _values(cursor, files, series_ids, start_ms, end_ms)
        found = cursor.execute(statement, {**values, "resolution_ms": resolution_ms}).fetchnumpy()
        return summary_rows(found, fields)

    def _files(
        self, cursor: duckdb.DuckDBPyConnection, resolution_ms: int, start_ms: int, end_ms: int
    ) -> list[str]:
        blocks = overlapping(read_blocks(cursor, resolution_ms), start_ms, end_ms)
        return [file for block in blocks for file in self._blocks.rows_files(block)]


def _values(
    cursor: duckdb.DuckDBPyConnection, files: list[str], series_ids: Ints, start_ms: int, end_ms: int
) -> dict[str, Any]:
    """What the statements above ask for; the range of numbers is what Parquet can skip by."""
    cursor.register("wanted", {"series_id": series_ids.astype(np.uint32)})
    first_id, last_id = (int(series_ids.min()), int(series_ids.max())) if len(series_ids) else (0, 0)
    values = {"start_ms": start_ms, "end_ms": end_ms, "first_id": first_id, "last_id": last_id}
    return {**values, "files": files} if files else values


def runs_from_rows(rows: Arrays) -> Runs:
    """Make runs of samples as DuckDB gives them, sorted by series and time."""
    series_ids = rows["series_id"].astype(np.int64)
    return runs_from_sorted(series_ids, rows["timestamp_ms"], _with_markers(rows["value"]))


def _with_markers(values: npt.NDArray[Any]) -> Floats:
    """Values as DuckDB gives them; NULL is a staleness marker."""
    filled: Floats = np.ma.filled(values, STALE_NAN)
    return filled


def summary_rows(found: Arrays, fields: Sequence[str]) -> SummaryRows:
    """Summaries as DuckDB gives them, sorted by series and end; what is NULL there is NaN."""
    series_ids, ends_ms = found["series_id"].astype(np.int64), found["end_ms"]
    columns = {field: np.ma.filled(found[field], np.nan) for field in fields}
    return SummaryRows(series_ids, ends_ms, columns).take(last_of_equals(series_ids, ends_ms))
