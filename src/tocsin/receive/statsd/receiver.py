"""The StatsD receiver: listens, gathers, and stores what it has at every flush, as a scrape would."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from tocsin.collect.loop import next_tick_ms
from tocsin.config.statsd import StatsdConfig, StatsdMappingConfig
from tocsin.errors import StorageError
from tocsin.model import Clock
from tocsin.receive.statsd.datagrams import DatagramReader, bind_udp, bind_unix, remove_socket
from tocsin.receive.statsd.drops import dropped_packets
from tocsin.receive.statsd.intake import Intake
from tocsin.receive.statsd.mapping import Mapper
from tocsin.receive.statsd.metrics import StatsdMetrics
from tocsin.receive.statsd.registry import SeriesRegistry
from tocsin.receive.statsd.router import Router
from tocsin.receive.statsd.stream import LineServer, StreamHandlers
from tocsin.storage.interface import Appendable

_log = logging.getLogger(__name__)

_PUNCTUAL_MS: Final = 10
"""A flush that comes this late at most is stamped with its due time: even steps compress better."""


class StatsdReceiver:
    """Receives StatsD over UDP, TCP and a Unix socket, and stores a sample of every series at every flush.

    The configuration is a resolved one (:func:`tocsin.config.statsd.resolved_statsd`). A series ends with a
    staleness marker when its ttl is over, and every series does when the receiver stops.
    """

    def __init__(
        self, config: StatsdConfig, storage: Appendable, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._config = config
        self._storage = storage
        self._clock = clock
        self._metrics = StatsdMetrics(registry)
        self._series = SeriesRegistry(config.max_series)
        self._router = Router(
            Mapper(config.mapping),
            self._series,
            extra_labels=config.labels,
            keep_client_metrics=config.keep_client_metrics,
        )
        self._intake = Intake(self._router, config.tag_formats, clock.now_ms)
        self._readers: list[DatagramReader] = []
        self._udp: socket.socket | None = None
        self._unix_path: Path | None = None
        self._tcp: LineServer | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._lost_packets = 0
        self._last_ms = 0
        self._storage_failure = ""

    @property
    def udp_port(self) -> int | None:
        """The UDP port that is listened on."""
        return int(self._udp.getsockname()[1]) if self._udp is not None else None

    @property
    def tcp_port(self) -> int | None:
        """The TCP port that is listened on."""
        return self._tcp.port if self._tcp is not None else None

    async def start(self) -> None:
        """Listen and flush; raises UsageError when an address is taken, and then listens on nothing."""
        try:
            self._listen_for_datagrams()
            await self._listen_for_streams()
        except BaseException:
            await self._close()
            raise
        self._flushing = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop listening, store what has arrived, and end all series."""
        await self._close()
        if self._flushing is not None:
            self._flushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flushing
            self._flushing = None
            await self.flush(max(self._clock.now_ms(), self._last_ms + 1))
            self._series.end_all()
            await self.flush(self._last_ms + 1)

    def remap(self, mapping: StatsdMappingConfig) -> None:
        """Go by another mapping from the next line on; series that are there stay until their ttl is over."""
        self._router.mapper = Mapper(mapping)
        self._intake.forget()

    async def flush(self, timestamp_ms: int) -> None:
        """Store one sample of every series."""
        for _ in self._series.prepare(timestamp_ms):
            await asyncio.sleep(0)
        self._count()
        if self._series.expire(timestamp_ms):
            self._intake.forget_ended()
        self._metrics.series.set(self._series.stored_count)
        if metadata := self._series.new_metadata():
            self._storage.describe(metadata)
        batch = self._series.batch(timestamp_ms)
        self._last_ms = timestamp_ms
        if not len(batch):
            return
        ended = self._series.ended()
        try:
            await self._storage.append(batch)
        except StorageError as error:
            self._metrics.append_failures.inc()
            self._report(str(error))
            return
        self._series.confirm(ended)
        self._report("")

    def _listen_for_datagrams(self) -> None:
        config = self._config
        if config.udp_address:
            self._udp = bind_udp(*_host_and_port(config.udp_address), config.read_buffer)
            size_bytes = self._udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            self._metrics.receive_buffer.set(size_bytes)
            self._read(self._udp, "udp")
        if config.listen_unixgram:
            path = config.listen_unixgram
            self._read(bind_unix(path, config.unixsocket_mode, config.read_buffer), "unixgram")
            self._unix_path = path

    def _read(self, receiver: socket.socket, transport: str) -> None:
        packets = self._metrics.packets.labels(transport)
        self._readers.append(DatagramReader(receiver, self._intake.take, packets.inc))

    async def _listen_for_streams(self) -> None:
        if not self._config.tcp_address:
            return
        handlers = StreamHandlers(
            take=self._intake.take,
            count=self._metrics.packets.labels("tcp").inc,
            connected=self._metrics.connections.inc,
            failed=lambda reason: self._metrics.errors.labels(reason).inc(),
        )
        self._tcp = await LineServer.start(*_host_and_port(self._config.tcp_address), handlers)

    async def _close(self) -> None:
        if self._udp is not None:
            self._count_lost()
            self._udp = None
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        if self._unix_path is not None:
            remove_socket(self._unix_path)
            self._unix_path = None
        if self._tcp is not None:
            await self._tcp.stop()
            self._tcp = None

    async def _run(self) -> None:
        """Flush at every tick until cancelled."""
        interval_ms = self._config.flush_interval
        due_ms = self._clock.now_ms() + interval_ms
        while True:
            await self._clock.sleep((due_ms - self._clock.now_ms()) / 1000)
            now_ms = self._clock.now_ms()
            await self.flush(due_ms if 0 <= now_ms - due_ms <= _PUNCTUAL_MS else now_ms)
            due_ms = next_tick_ms(due_ms, self._clock.now_ms(), interval_ms)

    def _count(self) -> None:
        self._count_lost()
        self._metrics.count(self._intake.counts())

    def _count_lost(self) -> None:
        if self._udp is not None:
            lost = dropped_packets(self._udp)
            self._metrics.lost_packets.inc(max(0, lost - self._lost_packets))
            self._lost_packets = lost

    def _report(self, failure: str) -> None:
        if failure and failure != self._storage_failure:
            _log.error("a flush of StatsD was not stored: %s", failure)
        self._storage_failure = failure


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
