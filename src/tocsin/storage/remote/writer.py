"""Sends what is appended to an engine, one request at a time, and tells each caller what became of it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tocsin.errors import StorageError
from tocsin.model import Clock, MetricMetadata, SampleBatch
from tocsin.storage.remote.batches import cut_batch, join_batches
from tocsin.storage.remote.sender import RefusedError, RequestSender, UnreachableError

MAX_WAITING_SAMPLES: Final = 1_000_000
"""Samples that may wait; a batch that would make it more is refused at once."""

MAX_REQUEST_SAMPLES: Final = 20_000

_FIRST_DELAY_S: Final = 0.1
_MAX_DELAY_S: Final = 5.0
_JITTER: Final = 0.5

Encode: TypeAlias = Callable[[SampleBatch, Mapping[str, MetricMetadata]], bytes]
"""Writes samples and metadata as the body of a request of remote write 1.0."""


@dataclass(slots=True, eq=False)
class _Write:
    """A batch that waits, until when, and who waits for it."""

    batch: SampleBatch
    deadline_ms: int
    done: asyncio.Future[None]


class RemoteWriter:
    """The writing side of an engine.

    Batches that are appended while a request is under way go into the next one together. One request
    at a time keeps the samples of a series in order. When the engine does not answer, or says that it
    is busy, the request is repeated after 0.1 s, twice as long each time up to 5 s, until ``patience_s``
    is over. A request that the engine refuses is taken apart, so that one batch does not harm another.
    """

    def __init__(self, sender: RequestSender, encode: Encode, clock: Clock, patience_s: float) -> None:
        self._sender = sender
        self._encode = encode
        self._clock = clock
        self._patience_ms = round(patience_s * 1000)
        self._waiting: deque[_Write] = deque()
        self._unsent: dict[str, MetricMetadata] = {}
        self._sending: asyncio.Task[None] | None = None

    @property
    def waiting_samples(self) -> int:
        """How many samples have not been taken yet."""
        return sum(len(write.batch) for write in self._waiting)

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        """Send metadata along with the next samples."""
        self._unsent.update(metadata)

    async def append(self, batch: SampleBatch) -> None:
        """Return when the engine has taken the batch.

        Raises RefusedError when it does not take these samples, and else StorageError: when it takes none
        from here, when it cannot be reached for too long, and when too much waits already. After a failure
        without an answer the engine may have taken it all the same.
        """
        if not len(batch):
            return
        waiting = self.waiting_samples
        if waiting and waiting + len(batch) > MAX_WAITING_SAMPLES:
            raise StorageError(
                f"{waiting} samples wait for {self._sender.address} already "
                f"(allowed are {MAX_WAITING_SAMPLES})"
            )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(batch, self._clock.now_ms() + self._patience_ms, done))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name="remote write")
        await done

    async def close(self) -> None:
        """Send what waits, as long as the patience of each batch lasts."""
        if self._sending is not None:
            await self._sending
        await self._sender.close()

    async def _send_all(self) -> None:
        """Send until nothing waits any more."""
        delay_s = _FIRST_DELAY_S
        while writes := self._next():
            try:
                await self._deliver(writes)
                delay_s = _FIRST_DELAY_S
            except UnreachableError as error:
                self._give_up(error)
                await self._clock.sleep(max(_jittered(delay_s), min(error.after_s, _MAX_DELAY_S)))
                delay_s = min(2 * delay_s, _MAX_DELAY_S)

    def _next(self) -> list[_Write]:
        """The oldest writes that somebody still waits for, as many as fit into a request, at least one."""
        self._waiting = deque(write for write in self._waiting if not write.done.done())
        chosen: list[_Write] = []
        size = 0
        for write in self._waiting:
            size += len(write.batch)
            if chosen and size > MAX_REQUEST_SAMPLES:
                break
            chosen.append(write)
        return chosen

    async def _deliver(self, writes: Sequence[_Write]) -> None:
        """Send writes together, or each by itself when the engine refuses them together."""
        try:
            await self._send([write.batch for write in writes])
        except UnreachableError:
            raise
        except StorageError as error:
            if len(writes) > 1 and _blames_samples(error):
                for write in writes:
                    await self._deliver([write])
                return
            for write in writes:
                _fail(write, error)
        else:
            for write in writes:
                _succeed(write)

    async def _send(self, batches: Sequence[SampleBatch]) -> None:
        metadata, self._unsent = self._unsent, {}
        try:
            for piece in cut_batch(join_batches(batches), MAX_REQUEST_SAMPLES):
                await self._sender.send(await asyncio.to_thread(self._encoded, piece, metadata))
                metadata = {}
        except UnreachableError:
            self._unsent = {**metadata, **self._unsent}
            raise

    def _encoded(self, batch: SampleBatch, metadata: Mapping[str, MetricMetadata]) -> bytes:
        try:
            return self._encode(batch, metadata)
        except ValueError as error:
            raise RefusedError(f"samples cannot be written as remote write: {error}") from error

    def _give_up(self, error: StorageError) -> None:
        """Tell those whose patience is over."""
        now_ms = self._clock.now_ms()
        for write in self._waiting:
            if write.deadline_ms <= now_ms:
                _fail(write, error)


def _jittered(delay_s: float) -> float:
    return delay_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


def _blames_samples(error: StorageError) -> bool:
    return isinstance(error, RefusedError) and error.blames_samples


def _succeed(write: _Write) -> None:
    if not write.done.done():
        write.done.set_result(None)


def _fail(write: _Write, error: StorageError) -> None:
    # Each caller gets an error of its own, because a traceback grows with every raise.
    if not write.done.done():
        kind = RefusedError if _blames_samples(error) else StorageError
        write.done.set_exception(kind(str(error)))
