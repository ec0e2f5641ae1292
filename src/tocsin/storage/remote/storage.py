"""A store that keeps nothing here: an engine elsewhere that takes remote write and answers PromQL."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.errors import TocsinError
from tocsin.model import Clock, Columns, Labels, Matcher, MetricMetadata, SampleBatch, SystemClock
from tocsin.model.columns import PADDING_MS
from tocsin.storage.remote.client import QueryClient
from tocsin.storage.remote.connection import Connection
from tocsin.storage.remote.reader import RemoteReader
from tocsin.storage.remote.sender import RequestSender
from tocsin.storage.remote.writer import Encode, RemoteWriter

_METADATA_AGE_S: Final = 60.0

_logger = logging.getLogger(__name__)


class RemoteStorage:
    """Samples in Prometheus, VictoriaMetrics, Mimir, Thanos or another engine that speaks as they do.

    What :meth:`append` has returned from is in the engine; queries see it as soon as the engine shows it,
    which is at once in Prometheus and after some seconds in VictoriaMetrics. Nothing is opened in
    advance: an engine that is down makes requests fail, and once it is back they succeed.
    """

    memory_start_ms: Final = PADDING_MS
    """Nothing is in memory."""

    def __init__(self, connection: Connection, encode: Encode, clock: Clock | None = None) -> None:
        self.client = QueryClient(connection)
        self._reader = RemoteReader(self.client)
        sender = RequestSender(connection)
        self._writer = RemoteWriter(sender, encode, clock or SystemClock(), connection.timeout_s)
        self._metadata = _Metadata(self._reader)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Columns]:
        """Samples of the series that satisfy all matchers, with ``start_ms <= t <= end_ms``."""
        return self._reader.select(matchers, start_ms, end_ms)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """The label sets that satisfy all matchers and have a sample about that range, sorted."""
        return self._reader.series(matchers, start_ms, end_ms)

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric family; waits for nothing, so the engine's may be a minute old."""
        return self._metadata.known()

    async def append(self, batch: SampleBatch) -> None:
        """Return when the engine has taken the batch; raises StorageError when it does not.

        The error is a RefusedError when the samples are why, such as those that are out of order.
        """
        await self._writer.append(batch)

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Remember type, help and unit of metric families, and send what is new with the next samples."""
        self._writer.describe(self._metadata.describe(metadata))

    async def close(self) -> None:
        """Finish pending writes and close all connections."""
        await self._writer.close()
        await asyncio.to_thread(self._metadata.close)
        self.client.close()


class _Metadata:
    """What was described here, over what the engine knows, which is asked for in a thread now and then.

    Most engines keep none of what remote write brings, so what was described here is held as well.
    """

    def __init__(self, reader: RemoteReader) -> None:
        self._reader = reader
        self._described: dict[str, MetricMetadata] = {}
        self._of_engine: Mapping[str, MetricMetadata] = {}
        self._asked_s: float | None = None
        self._asking: threading.Thread | None = None
        self._lock = threading.Lock()

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> Mapping[str, MetricMetadata]:
        """Remember; returns what was not known."""
        with self._lock:
            new = {name: item for name, item in metadata.items() if self._described.get(name) != item}
            self._described |= new
        return new

    def known(self) -> Mapping[str, MetricMetadata]:
        """Everything known now; what the engine knows is asked for anew when it is old."""
        with self._lock:
            is_old = self._asked_s is None or time.monotonic() - self._asked_s > _METADATA_AGE_S
            if is_old and (self._asking is None or not self._asking.is_alive()):
                self._asked_s = time.monotonic()
                self._asking = threading.Thread(target=self._ask, name="tocsin-metadata", daemon=True)
                self._asking.start()
            return {**self._of_engine, **self._described}

    def close(self) -> None:
        """Wait for the question that is under way, if any."""
        if self._asking is not None:
            self._asking.join()

    def _ask(self) -> None:
        try:
            self._of_engine = self._reader.metadata()
        except TocsinError as error:
            _logger.warning("metadata is not known: %s", error)
