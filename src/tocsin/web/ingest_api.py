"""Endpoints that take samples: text lines and remote write."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import SamplesRefusedError, TocsinError
from tocsin.receive import (
    MESSAGE_V1,
    MESSAGE_V2,
    ReceivedInPart,
    WriteRequestDecoder,
    WriteRequestV2Decoder,
    decode_text_import,
    message_name,
    unsupported_reason,
)
from tocsin.web.responses import failure, on_tocsin_error
from tocsin.web.services import Services
from tocsin.web.storing import decode_and_store

_WRITTEN: Final = "X-Prometheus-Remote-Write-{}-Written"


class IngestApi:
    """``/api/v1/import/prometheus`` and ``/api/v1/write``; an answer of 204 means durable."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decoders: dict[str, WriteRequestDecoder | WriteRequestV2Decoder] = {
            MESSAGE_V1: WriteRequestDecoder(),
            MESSAGE_V2: WriteRequestV2Decoder(),
        }
        # The decoders remember series and so belong to one thread.
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
        await decode_and_store(
            self._services,
            self._thread,
            lambda: decode_text_import(body, encoding, now_ms, extra_labels=extra_labels),
        )
        return Response(status_code=204)

    async def remote_write(self, request: Request) -> Response:
        """Take a request of remote write 1.0 or 2.0; the answer tells how much of it is stored.

        Of a request of 2.0 that is wrong in part the rest is stored, and the status is 400.
        """
        content_type = request.headers.get("content-type", "")
        encoding = request.headers.get("content-encoding", "")
        reason = unsupported_reason(content_type, encoding)
        if reason is not None:
            return failure(415, "bad_data", reason)
        decode = self._decoders[message_name(content_type)].decode
        body = await request.body()
        try:
            received = await decode_and_store(self._services, self._thread, lambda: decode(body, encoding))
        except TocsinError as error:
            answer = await on_tocsin_error(request, error)
            # How much is stored when the store is full of series is not known; then nothing is claimed.
            answer.headers.update({} if isinstance(error, SamplesRefusedError) else _written(0))
            return answer
        written = _written(len(received.batch))
        if isinstance(received, ReceivedInPart) and received.fault:
            return failure(400, "bad_data", received.fault, written)
        return Response(status_code=204, headers=written)


def _written(sample_count: int) -> dict[str, str]:
    """The headers that remote write 2.0 asks for; neither histograms nor exemplars are kept."""
    counts = {"Samples": sample_count, "Histograms": 0, "Exemplars": 0}
    return {_WRITTEN.format(kind): str(count) for kind, count in counts.items()}
