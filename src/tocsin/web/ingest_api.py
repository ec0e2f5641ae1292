"""Endpoints that take samples: text lines and remote write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.receive import Received, WriteRequestDecoder, decode_text_import, unsupported_reason
from tocsin.web.responses import failure
from tocsin.web.services import Services


class IngestApi:
    """``/api/v1/import/prometheus`` and ``/api/v1/write``; an answer of 204 means durable."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decoder = WriteRequestDecoder()
        # The decoder remembers series and so belongs to one thread.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tocsin-ingest")

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/api/v1/import/prometheus", self.import_text, methods=["POST"]),
            Route("/api/v1/write", self.remote_write, methods=["POST"]),
        )

    async def import_text(self, request: Request) -> Response:
        """Take lines in the Prometheus text format, with timestamps or without."""
        body = await request.body()
        encoding = request.headers.get("content-encoding", "")
        extra_labels = request.query_params.getlist("extra_label")
        now_ms = self._services.clock.now_ms()
        return await self._store(
            lambda: decode_text_import(body, encoding, now_ms, extra_labels=extra_labels)
        )

    async def remote_write(self, request: Request) -> Response:
        """Take a request of Prometheus' remote write 1.0."""
        headers = request.headers
        reason = unsupported_reason(headers.get("content-type", ""), headers.get("content-encoding", ""))
        if reason is not None:
            return failure(415, "bad_data", reason)
        body = await request.body()
        return await self._store(lambda: self._decoder.decode(body))

    async def _store(self, decode: Callable[[], Received]) -> Response:
        received = await asyncio.get_running_loop().run_in_executor(self._thread, decode)
        for reason, count in received.dropped.items():
            self._services.dropped_samples.labels(reason).inc(count)
        if received.metadata:
            self._services.storage.describe(received.metadata)
        await self._services.storage.append(received.batch)
        return Response(status_code=204)
