"""One shard of a way out: takes records from its queue and sends them, one request at a time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cramjam

from tocsin.errors import StorageError
from tocsin.model import Clock
from tocsin.storage.forward.queue import DiskQueue, Taken
from tocsin.storage.remote.sender import RefusedError

TOO_OLD: Final = "too_old"
REFUSED: Final = "refused"
QUEUE_FULL: Final = "queue_full"
NOT_QUEUED: Final = "not_queued"

_JITTER: Final = 0.2
_logger = logging.getLogger(__name__)


class Sender(Protocol):
    """Sends one request; raises RefusedError when it must not be sent again, else StorageError."""

    async def send(self, body: bytes) -> None:
        """Send one request."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How much goes into a request, how long samples wait for company, and how attempts are spaced.

    Samples older than ``max_age_ms`` are dropped; 0 means never.
    """

    max_samples: int = 2000
    deadline_s: float = 1.0
    min_delay_s: float = 0.03
    max_delay_s: float = 5.0
    max_age_ms: int = 0


class Shard:
    """Sends what its queue holds, in order; samples of a series never overtake each other.

    An engine that does not answer is asked again, with growing delays and for as long as it takes. A
    request that is refused is taken apart, and what is refused by itself is dropped and counted.
    """

    def __init__(
        self, name: str, queue: DiskQueue, sender: Sender, clock: Clock, pace: Pace, counts: Counter[str]
    ) -> None:
        self.queue = queue
        self._name = name
        self._sender = sender
        self._clock = clock
        self._pace = pace
        self._counts = counts
        self._arrived = asyncio.Event()

    def notify(self) -> None:
        """Say that something has arrived in the queue."""
        self._arrived.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._arrived.clear()
            await self.drain()
            await self._arrived.wait()
            # What comes within this time goes along.
            await self._clock.sleep(self._pace.deadline_s)

    async def drain(self) -> None:
        """Send until the queue is empty."""
        delay_s = self._pace.min_delay_s
        while True:
            try:
                records = await asyncio.to_thread(self.queue.read, self._pace.max_samples)
                if not records:
                    return
                await self._deliver(records)
                delay_s = self._pace.min_delay_s
            except StorageError as error:
                self._counts["retries"] += 1
                if delay_s >= self._pace.max_delay_s:
                    _logger.warning('remote_write "%s": %s', self._name, error)
                after_s = min(getattr(error, "after_s", 0.0), self._pace.max_delay_s)
                await self._clock.sleep(max(delay_s * random.uniform(1 - _JITTER, 1 + _JITTER), after_s))  # noqa: S311 - no secret
                delay_s = min(2 * delay_s, self._pace.max_delay_s)

    async def _deliver(self, records: Sequence[Taken]) -> None:
        """Send records together, or each by itself when they are refused together."""
        fresh = [taken for taken in records if not self._is_old(taken)]
        try:
            if fresh:
                await self._sender.send(await asyncio.to_thread(joined, fresh))
        except RefusedError as error:
            if len(records) > 1:
                for taken in records:
                    await self._deliver([taken])
                return
            self._counts[REFUSED] += records[0].record.samples
            _logger.warning('remote_write "%s": samples are dropped: %s', self._name, error)
        else:
            sent = sum(taken.record.samples for taken in fresh)
            self._counts["sent"] += sent
            self._counts[TOO_OLD] += sum(taken.record.samples for taken in records) - sent
        await asyncio.to_thread(self.queue.take, records)

    def _is_old(self, taken: Taken) -> bool:
        max_age_ms = self._pace.max_age_ms
        return bool(max_age_ms) and taken.record.newest_ms < self._clock.now_ms() - max_age_ms


def joined(records: Sequence[Taken]) -> bytes:
    """Several requests as one: those of remote write can be put behind each other."""
    if len(records) == 1:
        return records[0].record.payload
    parts = [bytes(cramjam.snappy.decompress_raw(taken.record.payload)) for taken in records]
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))
