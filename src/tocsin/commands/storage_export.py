"""``tocsin storage export``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from tocsin.commands.query import time_s
from tocsin.commands.storage_source import ConfigOption, DataOption, UrlOption, check_key, snapshot_of
from tocsin.config.selectors import parse_selector
from tocsin.errors import UsageError
from tocsin.model import parse_duration_ms
from tocsin.storage.export import S3_PREFIX, Selection
from tocsin.storage.export import export as export_store

_RAW: Final = "raw"


def export(
    parquet: Annotated[
        str, typer.Option("--parquet", help="File to write, folder (FOLDER/), or s3://BUCKET/KEY.")
    ],
    match: Annotated[
        list[str] | None, typer.Option("--match", help="Selector of series; may be given several times.")
    ] = None,
    start: Annotated[str, typer.Option(help="RFC 3339, seconds, or a duration before now: -1d.")] = "0",
    end: Annotated[str | None, typer.Option(help="The same [default: now].")] = None,
    resolution: Annotated[str, typer.Option(help="raw, or the resolution of a tier: 5m.")] = _RAW,
    columns: Annotated[
        bool, typer.Option("--columns", help="A column for each label, instead of a map of all.")
    ] = False,
    data: DataOption = None,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> int:
    """Write samples or summaries with their labels to a Parquet file, or to a folder by metric."""
    now_s = time.time()
    try:
        selectors = [parse_selector(text) for text in match or ()]
        resolution_ms = 0 if resolution == _RAW else parse_duration_ms(resolution)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not parquet.startswith(S3_PREFIX) and Path(parquet).exists():
        raise UsageError(f"{parquet} exists already")
    start_s, end_s = time_s(start, now_s), time_s(end, now_s) if end else now_s
    if start_s > end_s:
        raise UsageError(f'--start "{start}" is after --end "{end or "now"}"')
    selection = Selection(
        selectors,
        round(start_s * 1000) - 1,
        round(end_s * 1000),
        resolution_ms,
        has_label_columns=columns,
    )
    with snapshot_of(data, url, config) as source:
        check_key(source.folder, source.key)
        count = export_store(source.folder, source.key, selection, parquet)
    print(f"{parquet}: {count:,} rows")
    return 0
