"""Copying folders with a bar that shows how far it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.errors import StorageError
from tocsin.storage.blocks import sync
from tocsin.storage.sums import all_sum_faults

_CHUNK_BYTES: Final = 1 << 20
_COLUMNS: Final = ("[progress.description]{task.description}",)


@contextmanager
def bar() -> Iterator[Progress]:
    """A bar on the standard error, where it does not mix with what a command prints."""
    columns = (TextColumn(*_COLUMNS), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress


def copy_folder(source: Path, target: Path, description: str) -> None:
    """Copy a folder durably: the target has its name when it is complete and its sums are right.

    Raises OSError, and StorageError when a sum is wrong.
    """
    files = sorted(path for path in source.rglob("*") if path.is_file())
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with bar() as progress:
            task = progress.add_task(description, total=sum(file.stat().st_size for file in files))
            for file in files:
                place = part / file.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                for count in _copy_file(file, place):
                    progress.advance(task, count)
        for fault in all_sum_faults(part):
            raise StorageError(f"the {description} was given up: {fault}")
        for folder in (part, *(path for path in part.rglob("*") if path.is_dir())):
            sync(folder)
        if target.exists():
            target.rmdir()
        part.rename(target)
        sync(target.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy_file(source: Path, target: Path) -> Iterator[int]:
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            yield len(chunk)
        writer.flush()
        os.fsync(writer.fileno())
