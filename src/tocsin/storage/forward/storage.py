"""A store that also hands on what it has taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from tocsin.errors import StorageError
from tocsin.model import Columns, Labels, Matcher, MetricMetadata, SampleBatch
from tocsin.storage.forward.forwarder import Forwarder
from tocsin.storage.forward.shard import NOT_QUEUED
from tocsin.storage.interface import Storage

_logger = logging.getLogger(__name__)


class ForwardingStorage:
    """Another store, ``inner``, and what goes out of it.

    A batch that the store has taken is then put into each queue. A queue that cannot be written to does not
    make the batch fail: its samples are counted as dropped, and the log says why.
    """

    def __init__(self, inner: Storage, forwarders: Sequence[Forwarder]) -> None:
        self.inner = inner
        self.forwarders = forwarders

    @property
    def memory_start_ms(self) -> int:
        """From this time on samples are in memory."""
        return self.inner.memory_start_ms

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        return self.inner.select(matchers, start_ms, end_ms)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample in the range, sorted."""
        return self.inner.series(matchers, start_ms, end_ms)

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family."""
        return self.inner.metadata()

    async def append(self, batch: SampleBatch) -> None:
        """Store a batch, and put it into every queue; raises StorageError when the store cannot write."""
        await self.inner.append(batch)
        if len(batch):
            await asyncio.gather(*(_put(forwarder, batch) for forwarder in self.forwarders))

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families."""
        self.inner.describe(metadata)

    async def forward(self) -> None:
        """Send what is in the queues until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for forwarder in self.forwarders:
                tasks.create_task(forwarder.run())

    async def close(self) -> None:
        """Close the store; what has not been sent stays in the queues."""
        for forwarder in self.forwarders:
            await forwarder.close()
        await self.inner.close()


def inner_of(storage: Storage) -> Storage:
    """The store itself, without what goes out of it."""
    return storage.inner if isinstance(storage, ForwardingStorage) else storage


async def _put(forwarder: Forwarder, batch: SampleBatch) -> None:
    try:
        await forwarder.put(batch)
    except StorageError as error:
        forwarder.counts[NOT_QUEUED] += len(batch)
        _logger.warning('remote_write "%s": samples are dropped: %s', forwarder.name, error)
