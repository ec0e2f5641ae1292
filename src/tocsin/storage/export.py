"""Exporting samples or summaries to plain Parquet, which pandas, DuckDB, Spark and warehouses load."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from tocsin.errors import StorageError
from tocsin.model import METRIC_NAME, SUMMARY_FIELDS, Labels, Matcher, format_duration_ms
from tocsin.storage import encryption
from tocsin.storage.blocks import FOLDER_NAME, BlockFolder
from tocsin.storage.catalogue import overlapping, read_blocks, read_reaches
from tocsin.storage.file import FILE_NAME
from tocsin.storage.index import SeriesIndex
from tocsin.storage.key import EncryptionKey
from tocsin.storage.rows import RAW
from tocsin.storage.statements import exported_samples, exported_summaries, samples_of, summaries_of

_FORMAT: Final = "FORMAT parquet, COMPRESSION zstd"
_FOLDER: Final = "/"
"""What a target that is a folder ends with."""

_MEMORY_LIMIT: Final = "1GB"
_COLUMNS: Final = frozenset(
    {"metric", "labels", "timestamp", "value", "first_timestamp", "last_timestamp", *SUMMARY_FIELDS}
)
S3_PREFIX: Final = "s3://"

# What is said of S3, by the names that its own tools know.
_S3_SETTINGS: Final = (
    ("KEY_ID", "AWS_ACCESS_KEY_ID"),
    ("SECRET", "AWS_SECRET_ACCESS_KEY"),
    ("SESSION_TOKEN", "AWS_SESSION_TOKEN"),
    ("REGION", "AWS_REGION"),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export: series that satisfy all matchers of any list, samples with ``start_ms < t <= end_ms``.

    A ``resolution_ms`` other than 0 names the tier whose summaries are exported. Labels are one map, or
    ``has_label_columns`` a column each.
    """

    selectors: Sequence[Sequence[Matcher]]
    start_ms: int
    end_ms: int
    resolution_ms: int = RAW
    has_label_columns: bool = False


def export(folder: Path, key: EncryptionKey | None, selection: Selection, target: str) -> int:
    """Write what a store that nobody writes to holds to Parquet; returns how many rows that is.

    ``target`` is a path, or ``s3://BUCKET/KEY`` with the credentials in the environment, as AWS' own tools
    read them. Where it ends with a slash it is a folder, with a folder in it for each metric. A file or
    folder has its name when it is complete. Raises StorageError.
    """
    try:
        with encryption.connect(folder / FILE_NAME, key, read_only=True) as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
            blocks = BlockFolder(folder / FOLDER_NAME, key)
            if target.startswith(S3_PREFIX):
                _prepare_s3(connection)
                return _export(connection, blocks, selection, target)
            return _export_here(connection, blocks, selection, target)
    except duckdb.Error as error:
        reason = encryption.translate(error, folder / FILE_NAME, key) or str(error).partition("\n")[0]
        raise StorageError(f"cannot export to {target}: {reason}") from error
    except OSError as error:
        raise StorageError(f"cannot export to {target}: {error.strerror}") from error


def _export_here(
    connection: duckdb.DuckDBPyConnection, blocks: BlockFolder, selection: Selection, target: str
) -> int:
    """Export to another name first, so that there is no half of a file or folder."""
    place = Path(target)
    part = place.with_name(f"{place.name}.part")
    _remove(part)
    try:
        count = _export(connection, blocks, selection, f"{part}{_FOLDER if target.endswith(_FOLDER) else ''}")
        part.rename(place)
    finally:
        _remove(part)
    return count


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _export(
    connection: duckdb.DuckDBPyConnection, blocks: BlockFolder, selection: Selection, target: str
) -> int:
    _check_resolution(connection, selection.resolution_ms)
    known = read_blocks(connection, selection.resolution_ms)
    chosen = overlapping(known, selection.start_ms + 1, selection.end_ms)
    files = [file for block in chosen for file in blocks.rows_files(block)]
    values: dict[str, Any] = {"start_ms": selection.start_ms, "end_ms": selection.end_ms}
    if selection.resolution_ms:
        statement = exported_summaries(summaries_of(files, blocks.reader()))
        values["resolution_ms"] = selection.resolution_ms
    else:
        statement = exported_samples(samples_of(files, blocks.reader()))
    index = _index(connection)
    found = [index.match(matchers) for matchers in selection.selectors or ((),)]
    series_ids = np.unique(np.concatenate(found))
    connection.register("wanted", {"series_id": series_ids.astype(np.uint32)})
    if selection.has_label_columns:
        statement = _with_label_columns(statement, index.labels_of(series_ids))
    options = f"{_FORMAT}, PARTITION_BY (metric)" if target.endswith(_FOLDER) else _FORMAT
    copied = connection.execute(
        f"COPY ({statement}) TO '{_escaped(target)}' ({options})",
        {**values, "files": files} if files else values,
    ).fetchone()
    return int(copied[0]) if copied else 0


def _check_resolution(connection: duckdb.DuckDBPyConnection, resolution_ms: int) -> None:
    known = sorted(read_reaches(connection).keys() - {RAW})
    if resolution_ms != RAW and resolution_ms not in known:
        allowed = ", ".join(["raw", *map(format_duration_ms, known)])
        raise StorageError(
            f"there are no summaries of {format_duration_ms(resolution_ms)} (--resolution may be {allowed})"
        )


def _index(connection: duckdb.DuckDBPyConnection) -> SeriesIndex:
    rows = connection.execute("SELECT id, labels FROM series ORDER BY id").fetchall()
    index = SeriesIndex()
    index.load([number for number, _ in rows], [Labels(labels) for _, labels in rows])
    return index


def _with_label_columns(statement: str, labels: Sequence[Labels]) -> str:
    """The same rows with a column for each label, which is NULL where a series has no such label.

    Names of columns do not differ by case alone; where there is the name already it is ``label_NAME``.
    """
    taken, columns = set(_COLUMNS), []
    for name in sorted({name for each in labels for name in each} - {METRIC_NAME}):
        column = name
        while column.lower() in taken:
            column = f"label_{column}"
        taken.add(column.lower())
        columns.append(f"""labels['{_escaped(name)}'] AS "{column.replace('"', '""')}", """)
    return f"SELECT metric, {''.join(columns)}* EXCLUDE (metric, labels) FROM ({statement})"  # noqa: S608 - escaped


def _prepare_s3(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB speak to S3; raises StorageError when its extension is not there."""
    encryption.load_extension(connection)
    settings = {name: os.environ.get(variable, "") for name, variable in _S3_SETTINGS}
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint:
        scheme, _, place = endpoint.partition("://")
        settings |= {"ENDPOINT": place, "URL_STYLE": "path", "USE_SSL": str(scheme == "https").lower()}
    given = ", ".join(f"{name} '{_escaped(value)}'" for name, value in settings.items() if value)
    connection.execute(f"CREATE SECRET (TYPE s3{', ' + given if given else ''})")


def _escaped(text: str) -> str:
    return text.replace("'", "''")
