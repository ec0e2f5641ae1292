"""A clock that moves when a test says so."""

from __future__ import annotations

import asyncio


class ManualClock:
    """Time stands still until :meth:`advance` moves it and wakes whoever slept long enough."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep(self, duration_s: float) -> None:
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now_ms + round(duration_s * 1000), future))
        await future

    async def advance(self, duration_s: float) -> None:
        """Move on, waking sleepers one after the other at exactly their times."""
        end_ms = self._now_ms + round(duration_s * 1000)
        await settle()
        while due := min((s for s in self._sleepers if s[0] <= end_ms), key=lambda s: s[0], default=None):
            self._sleepers.remove(due)
            self._now_ms = max(self._now_ms, due[0])
            if not due[1].done():
                due[1].set_result(None)
            await settle()
        self._now_ms = end_ms
        await settle()


async def settle(turns: int = 20) -> None:
    """Let tasks that are ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)
