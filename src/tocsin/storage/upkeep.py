"""Upkeep: what the store does with its rows as they grow older."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import duckdb

from tocsin.model import Clock
from tocsin.storage.blocks import Block, BlockFolder
from tocsin.storage.catalogue import (
    BEGINNING_MS,
    Reach,
    exchange_blocks,
    forget_tier,
    read_blocks,
    read_reaches,
    store_reach,
)
from tocsin.storage.compaction import DELAY_MS, Compactor
from tocsin.storage.memory import give_back
from tocsin.storage.rows import RAW, RowReader
from tocsin.storage.runs import Ints
from tocsin.storage.sealing import GRACE_MS, ReadSamples, Sealer
from tocsin.storage.tiers import Tier, Tiers, floor_to

INTERVAL_S: Final = 600.0
_REMOVAL_DELAY_MS: Final = 600_000
"""Files of replaced blocks stay this long, for queries that began before."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What upkeep asks of the store that it belongs to."""

    series_ids: Callable[[], Ints]
    read_samples: ReadSamples
    begin_round: Callable[[int], None]
    """From now on samples up to this time are late; called before they are summarised."""

    forget_ended_series: Callable[[], None]


@dataclass(slots=True)
class _Garbage:
    """Blocks that were replaced, and when their files may go."""

    names: list[tuple[int, str]] = field(default_factory=list)

    def due(self, now_ms: int) -> list[str]:
        """Take out what may go by now."""
        due = [name for at_ms, name in self.names if at_ms <= now_ms]
        self.names = [(at_ms, name) for at_ms, name in self.names if at_ms > now_ms]
        return due


class Upkeep:
    """Seals, removes and compacts, round by round, in a thread of its own.

    Each step is one transaction, so that it does not matter where a round ends. A step that fails, say
    because the disk is full, is tried again in the next round. ``too_old_samples`` counts samples that no
    tier keeps anything of.
    """

    def __init__(
        self, tiers: Tiers, reader: RowReader, blocks: BlockFolder, clock: Clock, hooks: Hooks
    ) -> None:
        self._tiers = tiers
        self._reader = reader
        self._blocks = blocks
        self._clock = clock
        self._hooks = hooks
        self._sealer = Sealer(tiers, reader, hooks.read_samples)
        self._compactor = Compactor(tiers, reader, blocks)
        self._longest_ms = max(tier.retention_ms for tier in tiers)
        self._garbage = _Garbage()
        self._block_bytes: Mapping[str, int] = {}
        self.too_old_samples = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-upkeep", daemon=True)

    @property
    def block_bytes(self) -> Mapping[str, int]:
        """The size of the blocks of each tier, by its name, after the last round."""
        return self._block_bytes

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def close(self) -> None:
        """Wait for the step that is under way."""
        self._closing.set()
        self._thread.join()
        with self._lock:
            self._blocks.remove(name for _, name in self._garbage.names)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.round()
            except (duckdb.Error, OSError) as error:
                _logger.warning("cannot keep up %s: %s", self._blocks.path, str(error).partition("\n")[0])
            self._closing.wait(INTERVAL_S)

    def round(self) -> None:
        """Do all that is due; raises duckdb.Error or OSError."""
        with self._lock:
            now_ms = self._clock.now_ms()
            self._seal(now_ms)
            self._expire(now_ms)
            for replaced in self._compactor.compact(now_ms - DELAY_MS):
                self._garbage.names += [(now_ms + _REMOVAL_DELAY_MS, name) for name in replaced]
                if self._closing.is_set():
                    return
            self._blocks.remove(self._garbage.due(now_ms))
            self._block_bytes = self._measured()
        give_back()

    def _measured(self) -> Mapping[str, int]:
        with self._reader.snapshot() as cursor:
            blocks = read_blocks(cursor)
        return {
            tier.name: sum(block.byte_count for block in blocks if block.resolution_ms == tier.resolution_ms)
            for tier in self._tiers
        }

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait for the round that is under way; there is no other, and no block goes, until the end."""
        with self._lock:
            yield

    def _seal(self, now_ms: int) -> None:
        if not self._tiers.summaries:
            self._hooks.begin_round(BEGINNING_MS)
            return
        finest_ms = self._tiers.summaries[0].resolution_ms
        self._hooks.begin_round(floor_to(now_ms - GRACE_MS, finest_ms))
        series_ids = self._hooks.series_ids()
        self._sealer.seal(series_ids, now_ms)
        self._sealer.reseal(series_ids, now_ms)

    def _expire(self, now_ms: int) -> None:
        """Remove what each tier is not meant to keep any more."""
        removed = [self._expire_tier(tier, now_ms) for tier in self._tiers]
        removed.append(self._remove_other_tiers())
        if any(removed):
            self._hooks.forget_ended_series()

    def _expire_tier(self, tier: Tier, now_ms: int) -> bool:
        with self._reader.snapshot() as cursor:
            reaches = read_reaches(cursor)
            end_ms = floor_to(now_ms - tier.retention_ms, max(tier.span_ms, self._tiers.unit_ms))
            if tier.resolution_ms == RAW:
                # What is not summarised yet stays.
                sealed = [
                    reaches.get(summary.resolution_ms, Reach()).sealed_ms for summary in self._tiers.summaries
                ]
                end_ms = min([end_ms, *(floor_to(each, tier.span_ms) for each in sealed)])
            old = [block for block in read_blocks(cursor, tier.resolution_ms) if block.end_ms <= end_ms]
            if tier.resolution_ms == RAW:
                self.too_old_samples += _count_samples_until(cursor, now_ms - self._longest_ms)
            rows = _delete_until(cursor, tier, end_ms)
            if not old and not rows:
                return False
            exchange_blocks(cursor, old)
            reach = reaches.get(tier.resolution_ms, Reach())
            store_reach(cursor, tier.resolution_ms, replace(reach, start_ms=max(reach.start_ms, end_ms)))
        self._discard(old, now_ms)
        return True

    def _remove_other_tiers(self) -> bool:
        """Remove the tiers that the configuration does not have any more."""
        wanted = {tier.resolution_ms for tier in self._tiers}
        with self._reader.snapshot() as cursor:
            other = [resolution for resolution in read_reaches(cursor) if resolution not in wanted]
            for resolution in other:
                self._discard(read_blocks(cursor, resolution), self._clock.now_ms())
                forget_tier(cursor, resolution)
        return bool(other)

    def _discard(self, blocks: list[Block], now_ms: int) -> None:
        self._garbage.names += [(now_ms + _REMOVAL_DELAY_MS, block.name) for block in blocks]


def _count_samples_until(cursor: duckdb.DuckDBPyConnection, end_ms: int) -> int:
    """How many samples in the file are so old that no tier keeps anything of them."""
    statement = "SELECT count(*) FROM samples WHERE timestamp_ms <= ?"
    (count,) = cursor.execute(statement, [end_ms]).fetchone() or (0,)
    return int(count)


def _delete_until(cursor: duckdb.DuckDBPyConnection, tier: Tier, end_ms: int) -> int:
    """Delete the rows of a tier up to a time from the file; returns how many there were."""
    if tier.resolution_ms:
        statement = "DELETE FROM summaries WHERE resolution_ms = ? AND end_ms <= ?"
        deleted = cursor.execute(statement, [tier.resolution_ms, end_ms]).fetchone()
    else:
        deleted = cursor.execute("DELETE FROM samples WHERE timestamp_ms <= ?", [end_ms]).fetchone()
    return int(deleted[0]) if deleted else 0
