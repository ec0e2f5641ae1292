"""A small HTTP server whose pages behave as badly as a test wants, and a store that only remembers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from tocsin.model import Labels, MetricMetadata, SampleBatch, is_stale

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

Page = Callable[["Request"], Awaitable[None]]


class Request:
    """One request, and the means to answer it."""

    def __init__(
        self,
        path: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.path = path
        self.headers = headers
        self.reader = reader
        self.writer = writer

    async def body(self) -> bytes:
        return await self.reader.readexactly(int(self.headers["content-length"]))

    async def answer(self, body: bytes, status: str = "200 OK", **headers: str) -> None:
        self.start(status, **{"content_length": str(len(body)), **headers})
        self.writer.write(body)
        await self.writer.drain()

    def start(self, status: str = "200 OK", **headers: str) -> None:
        fields = {"content_type": TEXT, "connection": "close", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
        self.writer.write("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode())


class ExpositionServer:
    """Serves pages that can be exchanged between two scrapes; the path is the key."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.address = ""

    def text(self, path: str, body: str, content_type: str = TEXT) -> None:
        async def page(request: Request) -> None:
            await request.answer(body.encode(), content_type=content_type)

        self.pages[path] = page

    def url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            start, *lines = head.strip().split("\r\n")
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            request = Request(start.split()[1], headers, reader, writer)
            self.requests.append(request)
            await self.pages[request.path.partition("?")[0]](request)


@contextlib.asynccontextmanager
async def exposition_server() -> AsyncIterator[ExpositionServer]:
    served = ExpositionServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(served.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    served.address = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # closed transports say goodbye on the next turn of the event loop


class MemoryStore:
    """An Appendable that keeps everything in a dictionary."""

    def __init__(self) -> None:
        self.samples: dict[Labels, dict[int, float]] = defaultdict(dict)
        self.metadata: dict[str, MetricMetadata] = {}
        self.batches: list[SampleBatch] = []
        self.error: Exception | None = None

    async def append(self, batch: SampleBatch) -> None:
        if self.error is not None:
            raise self.error
        self.batches.append(batch)
        rows = zip(batch.series_index, batch.timestamps_ms.tolist(), batch.values, strict=True)
        for index, timestamp_ms, value in rows:
            self.samples[batch.series[index]][timestamp_ms] = value

    def describe(self, metadata: Mapping[str, MetricMetadata]) -> None:
        self.metadata.update(metadata)

    def values(self, metric: str, **labels: str) -> list[float | str]:
        """The values of the one series that has these labels, in order of time; markers as "stale"."""
        found = [s for s in self.samples if s.metric_name == metric and labels.items() <= dict(s).items()]
        assert len(found) <= 1, found
        samples = self.samples[found[0]] if found else {}
        return ["stale" if is_stale(samples[t]) else float(samples[t]) for t in sorted(samples)]

    def names(self) -> set[str]:
        return {labels.metric_name for labels in self.samples}


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Let real input and output happen until something holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens outside of this process, too
            await asyncio.sleep(0.005)
