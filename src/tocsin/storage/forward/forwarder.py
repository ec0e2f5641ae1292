"""One way out: a queue on disk, in shards, and the sending of what is in it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from tocsin.errors import StorageError
from tocsin.model import Clock, MetricMetadata, SampleBatch
from tocsin.storage.forward.queue import DiskQueue
from tocsin.storage.forward.routing import Relabel, Router
from tocsin.storage.forward.segment import Record
from tocsin.storage.forward.shard import QUEUE_FULL, Pace, Sender, Shard

Encode: TypeAlias = Callable[[SampleBatch, Mapping[str, MetricMetadata]], bytes]

_SEND_TOGETHER: Final = 64
_NO_METADATA: Final[Mapping[str, MetricMetadata]] = {}


class ClosableSender(Sender, Protocol):
    """A sender with connections."""

    async def close(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """What goes to one engine: under which name, relabelled how, in how many shards, how large a queue."""

    name: str
    relabel: Relabel
    shards: int = 4
    max_bytes: int = 1 << 30
    pace: Pace = field(default_factory=Pace)


@dataclass(slots=True, eq=False)
class _Arrival:
    records: dict[int, Record]
    done: asyncio.Future[None]


class Forwarder:
    """Forwards samples to one engine.

    What :meth:`put` has returned from is in the queue below ``folder``, whatever happens to the process
    or the engine, until it has been sent, has become too old or had to make room. Queues of another
    number of shards, from before a change of the configuration, are emptied first, so that samples of
    a series stay in order. Raises StorageError when the folder cannot be used.
    """

    def __init__(
        self, route: Route, folder: Path, sender: ClosableSender, encode: Encode, clock: Clock
    ) -> None:
        self.name = route.name
        self.counts: Counter[str] = Counter()
        self._sender = sender
        self._encode = encode
        self._router = Router(route.relabel, route.shards)
        self._arrived: list[_Arrival] = []
        self._storing: asyncio.Task[None] | None = None

        def shard(path: Path) -> Shard:
            queue = DiskQueue(path, max(1, route.max_bytes // route.shards))
            return Shard(route.name, queue, sender, clock, route.pace, self.counts)

        current = folder / str(route.shards)
        self._shards = [shard(current / str(number)) for number in range(route.shards)]
        self._old_folders = [path for path in _folders(folder) if path != current]
        self._old = [shard(path) for old in self._old_folders for path in _folders(old)]

    @property
    def waiting_samples(self) -> int:
        """How many samples have not been sent yet."""
        return sum(shard.queue.waiting_samples for shard in self._all())

    @property
    def size_bytes(self) -> int:
        """How large the queue is on disk."""
        return sum(shard.queue.size_bytes for shard in self._all())

    def dropped(self) -> Mapping[str, int]:
        """Samples that were given up, by reason."""
        full = sum(shard.queue.dropped_samples for shard in self._all())
        others = {name: count for name, count in self.counts.items() if name not in {"sent", "retries"}}
        return {**others, QUEUE_FULL: full}

    async def put(self, batch: SampleBatch) -> None:
        """Return when a batch is in the queue on disk; raises StorageError when it cannot be."""
        records = await asyncio.to_thread(self._records, batch)
        if not records:
            return
        arrival = _Arrival(records, asyncio.get_running_loop().create_future())
        self._arrived.append(arrival)
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_all(), name=f"queue of {self.name}")
        await arrival.done

    async def run(self) -> None:
        """Send until cancelled."""
        await asyncio.gather(*(shard.drain() for shard in self._old))
        await asyncio.to_thread(self._forget_old)
        async with asyncio.TaskGroup() as tasks:
            for shard in self._shards:
                tasks.create_task(shard.run())

    async def close(self) -> None:
        """Finish what is being stored and close everything; what was not sent stays on disk."""
        if self._storing is not None:
            await self._storing
        for shard in self._all():
            shard.queue.close()
        await self._sender.close()

    def _all(self) -> list[Shard]:
        return [*self._shards, *self._old]

    def _records(self, batch: SampleBatch) -> dict[int, Record]:
        try:
            return {
                shard: Record(self._encode(part, _NO_METADATA), len(part), int(part.timestamps_ms.max()))
                for shard, part in self._router.split(batch).items()
            }
        except ValueError as error:
            raise StorageError(f"samples cannot be written as remote write: {error}") from error

    async def _store_all(self) -> None:
        """Store what has arrived, all that there is with one wait for the disk a shard."""
        while self._arrived:
            arrived, self._arrived = self._arrived[:_SEND_TOGETHER], self._arrived[_SEND_TOGETHER:]
            try:
                await asyncio.to_thread(self._store, arrived)
            except StorageError as error:
                for arrival in arrived:
                    if not arrival.done.done():
                        arrival.done.set_exception(StorageError(str(error)))
                continue
            for arrival in arrived:
                for number in arrival.records:
                    self._shards[number].notify()
                if not arrival.done.done():
                    arrival.done.set_result(None)

    def _store(self, arrived: list[_Arrival]) -> None:
        for number, shard in enumerate(self._shards):
            records = [arrival.records[number] for arrival in arrived if number in arrival.records]
            if records:
                shard.queue.append(records)

    def _forget_old(self) -> None:
        for shard in self._old:
            shard.queue.close()
        self._old.clear()
        for path in self._old_folders:
            with contextlib.suppress(OSError):
                shutil.rmtree(path)


def _folders(folder: Path) -> list[Path]:
    """The folders with a number for a name."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
