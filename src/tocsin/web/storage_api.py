"""``/api/tocsin/storage``: how much the store holds and how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.storage import StorageUsage
from tocsin.web.responses import success
from tocsin.web.services import Services


class StorageApi:
    """The figures of the embedded store; 404 where samples are kept elsewhere."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (Route("/api/tocsin/storage", self.usage),)

    async def usage(self, request: Request) -> Response:
        """How much there is, how large it is, and how large it will become."""
        ask = self._services.storage_usage
        if ask is None:
            raise HTTPException(404, "samples are kept by an engine elsewhere (storage.type)")
        usage = await self._services.queries.run(request, lambda _cancelled: ask())
        return success(usage_data(usage))


def usage_data(usage: StorageUsage) -> dict[str, Any]:
    """The figures by name; times are in seconds since 1970, and null where nothing is known yet."""
    return {
        "path": usage.path,
        "series": usage.series,
        "samples": usage.samples,
        "samplesPerDay": None if usage.samples_a_day is None else round(usage.samples_a_day),
        "oldest": _seconds(usage.oldest_ms),
        "newest": _seconds(usage.newest_ms),
        "retentionSeconds": usage.retention_ms / 1000,
        "fileBytes": usage.file_bytes,
        "diskFreeBytes": usage.disk_free_bytes,
        "bytesPerSample": usage.bytes_a_sample,
        "bytesPerDay": usage.bytes_a_day,
        "predictedBytes": usage.predicted_bytes,
        "daysUntilFull": usage.days_until_full,
    }


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000
