"""How much a store holds, how large it is, and how large it will become."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from tocsin.storage.catalogue import read_blocks
from tocsin.storage.tiers import DAY_MS, HOUR_MS, Tier, Tiers

_BYTES_OF_SAMPLE: Final = 2.0
_BYTES_OF_SUMMARY: Final = 40.0
"""What a row takes in a block, as long as there is no block to tell."""


@dataclass(frozen=True, slots=True)
class TierUsage:
    """What one tier holds.

    ``rows`` are samples or summaries, of which ``block_rows`` are in blocks and the others in the file.
    ``rows_a_day`` is how many the last day brought; a store younger than that is taken to go on as it began,
    and of one younger than an hour nothing is predicted.
    """

    tier: Tier
    rows: int
    block_rows: int
    block_bytes: int
    blocks: int
    oldest_ms: int | None
    newest_ms: int | None
    rows_a_day: float | None

    @property
    def bytes_a_row(self) -> float:
        """What a row takes in a block."""
        if self.block_rows:
            return self.block_bytes / self.block_rows
        return _BYTES_OF_SUMMARY if self.tier.resolution_ms else _BYTES_OF_SAMPLE

    @property
    def predicted_bytes(self) -> float | None:
        """The size of the blocks when the oldest are as old as they may become; None while unknown."""
        if self.rows_a_day is None:
            return None
        return self.rows_a_day * self.bytes_a_row * (self.tier.retention_ms + self.tier.span_ms / 2) / DAY_MS


@dataclass(frozen=True, slots=True)
class StorageUsage:
    """What is in a store and on its disk: the file with the newest rows, and the blocks of each tier."""

    path: str
    file_bytes: int
    disk_free_bytes: int
    series: int
    tiers: tuple[TierUsage, ...]
    is_encrypted: bool = False

    @property
    def raw(self) -> TierUsage:
        """The samples themselves."""
        return self.tiers[0]

    @property
    def block_bytes(self) -> int:
        """The size of all blocks."""
        return sum(tier.block_bytes for tier in self.tiers)

    @property
    def used_bytes(self) -> int:
        """The size of everything."""
        return self.file_bytes + self.block_bytes

    @property
    def bytes_a_day(self) -> float | None:
        """What a day of samples takes in the end; None while that cannot be told."""
        raw = self.raw
        return None if raw.rows_a_day is None else raw.rows_a_day * raw.bytes_a_row

    @property
    def predicted_bytes(self) -> float | None:
        """The size of everything when the oldest rows are as old as they may become."""
        predicted = [tier.predicted_bytes for tier in self.tiers]
        known = [size for size in predicted if size is not None]
        return self.file_bytes + sum(known) if len(known) == len(predicted) else None

    @property
    def days_until_full(self) -> float | None:
        """When the disk will be full, if what is kept outgrows it; None when it will not."""
        if not self.bytes_a_day or self.predicted_bytes is None:
            return None
        if self.predicted_bytes <= self.used_bytes + self.disk_free_bytes:
            return None
        return self.disk_free_bytes / self.bytes_a_day


def measure(
    cursor: duckdb.DuckDBPyConnection,
    path: Path,
    tiers: Tiers,
    *,
    series: int,
    is_encrypted: bool,
    now_ms: int,
) -> StorageUsage:
    """Look at a store; raises duckdb.Error or OSError."""
    files = (path, path.with_name(f"{path.name}.wal"))
    return StorageUsage(
        path=str(path),
        file_bytes=sum(file.stat().st_size for file in files if file.exists()),
        disk_free_bytes=shutil.disk_usage(path.parent).free,
        series=series,
        tiers=tuple(_measure_tier(cursor, tier, now_ms) for tier in tiers),
        is_encrypted=is_encrypted,
    )


def _measure_tier(cursor: duckdb.DuckDBPyConnection, tier: Tier, now_ms: int) -> TierUsage:
    time = "end_ms" if tier.resolution_ms else "timestamp_ms"
    table = "summaries WHERE resolution_ms = $1" if tier.resolution_ms else "samples WHERE $1 = 0"
    rows, recent, oldest_ms, newest_ms = cursor.execute(
        f"SELECT count(*), count(*) FILTER ({time} > $2), min({time}), max({time}) FROM {table}",  # noqa: S608
        [tier.resolution_ms, now_ms - DAY_MS],
    ).fetchone() or (0, 0, None, None)
    blocks = read_blocks(cursor, tier.resolution_ms)
    for block in blocks:
        share = (block.end_ms - max(block.start_ms, now_ms - DAY_MS)) / (block.end_ms - block.start_ms)
        recent += block.row_count * max(0.0, share)
    times_ms = [time_ms for time_ms in (oldest_ms, newest_ms) if time_ms is not None]
    oldest_ms = min([*times_ms, *(block.start_ms for block in blocks)], default=None)
    newest_ms = max([*times_ms, *(block.end_ms for block in blocks)], default=None)
    age_ms = 0 if oldest_ms is None else now_ms - oldest_ms
    block_rows = sum(block.row_count for block in blocks)
    return TierUsage(
        tier=tier,
        rows=rows + block_rows,
        block_rows=block_rows,
        block_bytes=sum(block.byte_count for block in blocks),
        blocks=len(blocks),
        oldest_ms=oldest_ms,
        newest_ms=newest_ms,
        rows_a_day=recent * DAY_MS / min(DAY_MS, age_ms) if age_ms >= HOUR_MS else None,
    )
