"""Verifying a store that nobody writes to: a backup or a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tocsin.errors import StorageError
from tocsin.storage import encryption
from tocsin.storage.blocks import FOLDER_NAME, Block, BlockFolder
from tocsin.storage.catalogue import read_blocks
from tocsin.storage.file import FILE_NAME, check_file
from tocsin.storage.key import EncryptionKey
from tocsin.storage.snapshot import MANIFEST_NAME
from tocsin.storage.sums import sum_faults


@dataclass(frozen=True, slots=True)
class Verified:
    """One part that was looked at, how large it is, and what is wrong with it, one sentence each."""

    name: str
    byte_count: int
    faults: tuple[str, ...] = ()


def verify(folder: Path, key: EncryptionKey | None) -> Iterator[Verified]:
    """Read everything: the sums, the file, and each block that the catalogue names.

    Raises StorageError when there is no store or somebody uses it.
    """
    path = folder / FILE_NAME
    if not path.exists():
        raise StorageError(f"{folder} has no {FILE_NAME}")
    size = path.stat().st_size
    damaged = tuple(sum_faults(folder, (FILE_NAME, MANIFEST_NAME)))
    try:
        check_file(path, key)
        with encryption.connect(path, key, read_only=True) as connection:
            known = read_blocks(connection)
            yield Verified(FILE_NAME, size, damaged)
            blocks = BlockFolder(folder / FOLDER_NAME, key)
            for block in known:
                faults = tuple(blocks.faults(block)) or tuple(_faults_of_rows(connection, blocks, block, key))
                yield Verified(block.name, block.byte_count, faults)
    except StorageError as error:
        yield Verified(FILE_NAME, size, damaged or (str(error),))
    except duckdb.Error as error:
        reason = f"{path} is damaged or no store: {_first_line(error)}"
        yield Verified(FILE_NAME, size, damaged or (reason,))


def _faults_of_rows(
    connection: duckdb.DuckDBPyConnection, blocks: BlockFolder, block: Block, key: EncryptionKey | None
) -> Iterator[str]:
    """What is wrong with the rows of a block whose files are as they were written."""
    folder = blocks.path / block.name
    time = '"end"' if block.resolution_ms else "timestamp"
    # A window over all rows as they come is computed while they are read, in little memory.
    statement = f"""
        SELECT count(*), min(epoch_ms(time)), max(epoch_ms(time)), count(*) FILTER (NOT ascends) FROM (
            SELECT {time} AS time, series_id > lag(series_id) OVER ()
                OR (series_id = lag(series_id) OVER () AND {time} > lag({time}) OVER ()) AS ascends
            FROM {blocks.reader()})"""  # noqa: S608 - our own names
    try:
        found = connection.execute(statement, {"files": blocks.rows_files(block)}).fetchone()
    except duckdb.Error as error:
        yield f"{folder} cannot be read: {encryption.translate(error, folder, key) or _first_line(error)}"
        return
    count, first_ms, last_ms, disordered = found or (0, 0, 0, 0)
    if count != block.row_count:
        yield f"{folder} has {count} rows, and should have {block.row_count}"
    if count and not block.start_ms < first_ms <= last_ms <= block.end_ms:
        yield f"{folder} has rows outside of the time of its name"
    if disordered:
        yield f"{folder} has {disordered} rows that stand before or at the row above, by series and time"


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
