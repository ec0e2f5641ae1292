"""OTLP over HTTP: ``/v1/metrics``, and ``/v1/logs`` and ``/v1/traces``, whose records are only counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import TocsinError
from tocsin.receive.otlp import (
    OtlpDecoder,
    OtlpSettings,
    ReceivedExport,
    Signal,
    TranslationStrategy,
    encode_failure,
    encode_received,
    unsupported_reason,
)
from tocsin.web.responses import status_of
from tocsin.web.services import Services
from tocsin.web.storing import decode_and_store

_UNSUPPORTED: Final = 415


class OtlpApi:
    """Answers in the format of the request; 200 means that what can be stored is durable."""

    def __init__(self, services: Services) -> None:
        self._services = services
        config = services.settings.otlp.model_dump()
        strategy = TranslationStrategy(config.pop("translation_strategy"))
        self._decoder = OtlpDecoder(OtlpSettings(strategy, **config))
        # The decoder remembers series and so belongs to one thread.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tocsin-otlp")

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/v1/metrics", self.metrics, methods=["POST"]),
            # Where Prometheus takes them.
            Route("/api/v1/otlp/v1/metrics", self.metrics, methods=["POST"]),
            Route("/v1/logs", self.logs, methods=["POST"]),
            Route("/v1/traces", self.traces, methods=["POST"]),
        )

    async def metrics(self, request: Request) -> Response:
        """Store the data points of a request."""
        now_ms = self._services.clock.now_ms()
        return await self._take(
            request, lambda body, kind, encoding: self._decoder.decode_metrics(body, kind, encoding, now_ms)
        )

    async def logs(self, request: Request) -> Response:
        """Count log records, of which none is stored."""
        return await self._count(request, Signal.LOGS)

    async def traces(self, request: Request) -> Response:
        """Count spans, of which none is stored."""
        return await self._count(request, Signal.TRACES)

    async def _count(self, request: Request, signal: Signal) -> Response:
        return await self._take(
            request, lambda body, kind, encoding: self._decoder.count_records(signal, body, kind, encoding)
        )

    async def _take(self, request: Request, decode: Callable[[bytes, str, str], ReceivedExport]) -> Response:
        kind = request.headers.get("content-type", "")
        encoding = request.headers.get("content-encoding", "")
        if (reason := unsupported_reason(kind, encoding)) is not None:
            return _failure(_UNSUPPORTED, reason, kind)
        body = await request.body()
        try:
            received = await decode_and_store(
                self._services, self._thread, lambda: decode(body, kind, encoding)
            )
        except TocsinError as error:
            return _failure(status_of(error), str(error), kind)
        answer = encode_received(received, kind)
        return Response(answer.body, 200, media_type=answer.content_type)


def _failure(status: int, message: str, content_type: str) -> Response:
    answer = encode_failure(status, message, content_type)
    return Response(answer.body, status, media_type=answer.content_type)
