"""``SHA256SUMS``: the sums of the files of a folder, as ``sha256sum -c`` reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

SUMS_FILE: Final = "SHA256SUMS"
"""Parquet would give wrong values for wrong bytes, and DuckDB reads no sum of what it does not use."""


def write_sums(folder: Path) -> None:
    """Write the sums of the files that stand in a folder; raises OSError."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SUMS_FILE)
    sums = "".join(f"{_digest(path)}  {path.name}\n" for path in files)
    (folder / SUMS_FILE).write_text(sums, encoding="ascii")


def sum_faults(folder: Path, required: Iterable[str] = ()) -> Iterator[str]:
    """What is wrong with the files that have a sum, and those that must have one; one sentence each."""
    try:
        lines = (folder / SUMS_FILE).read_text(encoding="ascii").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        yield f"{folder / SUMS_FILE} cannot be read: {_reason(error)}"
        return
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted({*required, *expected}):
        # What is damaged may name anything.
        file = folder / Path(name).name
        try:
            if _digest(file) != expected.get(name):
                yield f"{file} is damaged: its SHA-256 is another than in {SUMS_FILE}"
        except (OSError, ValueError) as error:
            yield f"{file} cannot be read: {_reason(error)}"


def all_sum_faults(folder: Path) -> Iterator[str]:
    """The same of a folder and of all below it that have sums."""
    for file in sorted(folder.rglob(SUMS_FILE)):
        yield from sum_faults(file.parent)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
