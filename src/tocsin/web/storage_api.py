"""``/api/tocsin/storage``: how much the store holds, how large it is, and copies of it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.storage import DuckDBStorage, StorageUsage, TierUsage
from tocsin.storage.snapshot import SNAPSHOTS_NAME
from tocsin.web.responses import success
from tocsin.web.services import Services

_SNAPSHOT_NAME: Final = re.compile(r"\d{8}T\d{12}Z", re.ASCII)


class StorageApi:
    """The embedded store: figures, upkeep on demand, snapshots; 404 where samples are kept elsewhere."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[BaseRoute]:
        """The routes that this class answers."""
        return (
            Route("/api/tocsin/storage", self.usage),
            Route("/api/tocsin/storage/compact", self.compact, methods=["POST"]),
            Route("/api/tocsin/storage/snapshots", self.take_snapshot, methods=["POST"]),
            Route("/api/tocsin/storage/snapshots/{name}", self.remove_snapshot, methods=["DELETE"]),
        )

    async def usage(self, request: Request) -> Response:
        """How much there is, how large it is, and how large it will become."""
        store = self._store()
        usage = await self._services.queries.run(request, lambda _cancelled: store.usage())
        return success(usage_data(usage))

    async def compact(self, request: Request) -> Response:
        """Do all upkeep that is due; answers with the figures after it."""
        await self._store().keep_up()
        return await self.usage(request)

    async def take_snapshot(self, _request: Request) -> Response:
        """Write a consistent copy into the data folder; answers with its name and path."""
        store = self._store()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        target = store.path.parent.resolve() / SNAPSHOTS_NAME / name
        await store.snapshot(target)
        return success({"name": name, "path": str(target)})

    async def remove_snapshot(self, request: Request) -> Response:
        """Remove a snapshot that was taken by this process."""
        name = request.path_params["name"]
        if not _SNAPSHOT_NAME.fullmatch(name):
            raise HTTPException(404, f'no snapshot is named "{name[:80]}"')
        folder = self._store().path.parent / SNAPSHOTS_NAME / name
        if not folder.is_dir():
            raise HTTPException(404, f'no snapshot is named "{name}"')
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return success({"name": name})

    def _store(self) -> DuckDBStorage:
        store = self._services.embedded
        if store is None:
            raise HTTPException(404, "samples are kept by an engine elsewhere (storage.type)")
        return store


def usage_data(usage: StorageUsage) -> dict[str, Any]:
    """The figures by name; times are in seconds since 1970, and null where nothing is known yet."""
    raw = usage.raw
    oldest_ms = min((tier.oldest_ms for tier in usage.tiers if tier.oldest_ms is not None), default=None)
    return {
        "path": str(Path(usage.path).resolve()),
        "series": usage.series,
        "samples": raw.rows,
        "samplesPerDay": None if raw.rows_a_day is None else round(raw.rows_a_day),
        "oldest": _seconds(oldest_ms),
        "newest": _seconds(raw.newest_ms),
        "retentionSeconds": raw.tier.retention_ms / 1000,
        "fileBytes": usage.file_bytes,
        "blockBytes": usage.block_bytes,
        "diskFreeBytes": usage.disk_free_bytes,
        "encrypted": usage.is_encrypted,
        "bytesPerSample": raw.block_bytes / raw.block_rows if raw.block_rows else None,
        "bytesPerDay": usage.bytes_a_day,
        "predictedBytes": usage.predicted_bytes,
        "daysUntilFull": usage.days_until_full,
        "tiers": [_tier_data(tier) for tier in usage.tiers],
    }


def _tier_data(usage: TierUsage) -> dict[str, Any]:
    return {
        "name": usage.tier.name,
        "resolutionSeconds": usage.tier.resolution_ms / 1000,
        "retentionSeconds": usage.tier.retention_ms / 1000,
        "samples": usage.rows,
        "blocks": usage.blocks,
        "bytes": usage.block_bytes,
        "oldest": _seconds(usage.oldest_ms),
        "newest": _seconds(usage.newest_ms),
        "predictedBytes": usage.predicted_bytes,
    }


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000
