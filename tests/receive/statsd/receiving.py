"""A receiver with real sockets, a clock that a test moves, and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from prometheus_client import CollectorRegistry

from tests.receive.statsd.gathering import values_of
from tests.support.clock import ManualClock
from tocsin.config import parse_source, validate
from tocsin.config.statsd import StatsdConfig, resolved_statsd
from tocsin.errors import StorageError
from tocsin.model import SampleBatch
from tocsin.receive.statsd import StatsdReceiver

WAIT_S = 20


class Store:
    """Keeps batches, or refuses them while ``failure`` says why."""

    def __init__(self) -> None:
        self.batches: list[SampleBatch] = []
        self.metadata = {}
        self.failure = ""

    async def append(self, batch: SampleBatch) -> None:
        if self.failure:
            raise StorageError(self.failure)
        self.batches.append(batch)

    def describe(self, metadata) -> None:
        self.metadata |= metadata

    def flushes(self) -> list[dict[str, float]]:
        return [values_of(batch) for batch in self.batches]


class Receiving:
    """A running receiver and what surrounds it."""

    def __init__(self, text: str, folder) -> None:
        source = parse_source(text, "tocsin.yml")
        config = validate(StatsdConfig, source)
        config = config.model_copy(
            update={
                key: "127.0.0.1:0"
                for key in ("listen_udp", "listen_tcp")
                if key not in config.model_fields_set
            }
        )
        self.store = Store()
        self.clock = ManualClock()
        self.metrics = CollectorRegistry()
        self.receiver = StatsdReceiver(
            resolved_statsd(config, source, folder, ()), self.store, self.clock, self.metrics
        )

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.get_sample_value(f"tocsin_statsd_{name}", labels) or 0

    async def packets(self, count: int, transport: str = "udp") -> None:
        """Wait until so many packets have been taken."""
        await until(lambda: self.metric("packets_total", transport=transport) >= count)

    async def flush(self) -> dict[str, float]:
        """Let a flush interval pass, and see what was stored."""
        await self.clock.advance(1)
        return values_of(self.store.batches[-1]) if self.store.batches else {}


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - nothing that is waited for tells
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def receiving(text: str = "", folder=None) -> AsyncIterator[Receiving]:
    running = Receiving(text, folder)
    await running.receiver.start()
    try:
        yield running
    finally:
        await running.receiver.stop()
