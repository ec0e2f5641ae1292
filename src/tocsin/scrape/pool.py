"""One job: its sources of targets, and a loop for each target that they name now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tocsin.config.scrape import ScrapeConfig
from tocsin.errors import StorageError
from tocsin.model import Labels
from tocsin.scrape.discovery import Discovery
from tocsin.scrape.fetch import Fetcher
from tocsin.scrape.loop import History, ScrapeLoop, ScrapeParts
from tocsin.scrape.target import Target, Targets, make_targets

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[Labels, str]
"""What makes a target the same as before: its labels and its URL."""


class ScrapePool:
    """Keeps the loops of one resolved job in step with discovery.

    Raises ConfigError when a file of the job's ``tls_config`` cannot be used.
    """

    def __init__(self, config: ScrapeConfig, discoveries: Sequence[Discovery], parts: ScrapeParts) -> None:
        self.config = config
        self.targets = Targets()
        self._discoveries = discoveries
        self._parts = parts
        self._fetcher = Fetcher(config)
        self._loops: dict[Key, tuple[ScrapeLoop, asyncio.Task[None]]] = {}
        self._watcher: asyncio.Task[None] | None = None

    @property
    def loops(self) -> list[ScrapeLoop]:
        """The loops that run now."""
        return [loop for loop, _ in self._loops.values()]

    @property
    def problems(self) -> list[str]:
        """What is wrong with the sources of targets, one sentence each."""
        of_sources = [text for discovery in self._discoveries for text in discovery.problems.values()]
        return [*of_sources, *self.targets.problems]

    async def start(self, histories: Mapping[Key, History]) -> None:
        """Begin scraping; series of a predecessor's targets that are no longer here end now."""
        await self._refresh(histories)
        for key in histories.keys() - self._loops.keys():
            await self._end(histories[key])
        intervals_ms = [each.check_interval_ms for each in self._discoveries if each.check_interval_ms]
        if intervals_ms:
            self._watcher = asyncio.create_task(self._watch(min(intervals_ms)))

    async def stop(self) -> dict[Key, History]:
        """Stop scraping and hand over what was written, for a successor or :meth:`end_all`."""
        watcher = [self._watcher] if self._watcher else []
        await _cancel([*watcher, *(task for _, task in self._loops.values())])
        histories = {key: loop.history for key, (loop, _) in self._loops.items()}
        self._loops.clear()
        self._parts.metrics.targets.remove(self.config.job_name)
        await self._fetcher.close()
        return histories

    async def end_all(self, histories: Mapping[Key, History]) -> None:
        """Mark every series as ended."""
        for history in histories.values():
            await self._end(history)

    async def _watch(self, interval_ms: int) -> None:
        while True:
            await self._parts.clock.sleep(interval_ms / 1000)
            await self._guarded_refresh()

    async def _guarded_refresh(self) -> None:
        """The one place where an unforeseen error ends: targets then stay as they are."""
        try:
            await self._refresh({})
        except Exception:  # noqa: BLE001 - the named guard of discovery
            _log.exception("looking for targets of %s failed unexpectedly", self.config.job_name)

    async def _refresh(self, histories: Mapping[Key, History]) -> None:
        """Ask all sources, off the event loop since a file may stand on a slow disk, and act on it."""
        found = await asyncio.to_thread(lambda: [each.groups() for each in self._discoveries])
        targets = make_targets(self.config, [group for groups in found for group in groups])
        for problem in set(targets.problems).difference(self.targets.problems):
            _log.warning("%s", problem)
        self.targets = targets
        wanted = {(target.labels, target.url): target for target in targets.active}
        await self._drop(self._loops.keys() - wanted.keys())
        for key, target in wanted.items():
            self._keep(key, target, histories.get(key, History()))
        self._apply_target_limit()
        self._parts.metrics.targets.labels(self.config.job_name).set(len(self._loops))

    def _keep(self, key: Key, target: Target, history: History) -> None:
        """Start the loop of a target that is new, or changed its interval, and leave others alone."""
        if key in self._loops:
            loop, task = self._loops[key]
            if (loop.target.interval_ms, loop.target.timeout_ms) == (target.interval_ms, target.timeout_ms):
                loop.target = target
                return
            task.cancel()
            history = loop.history
        loop = ScrapeLoop(target, self.config, self._fetcher, self._parts, history)
        self._loops[key] = (loop, asyncio.create_task(loop.run()))

    async def _drop(self, keys: set[Key]) -> None:
        dropped = [self._loops.pop(key) for key in keys]
        await _cancel([task for _, task in dropped])
        for loop, _ in dropped:
            await self._end(loop.history)

    async def _end(self, history: History) -> None:
        try:
            await history.end(self._parts.appender, self._parts.clock.now_ms())
        except StorageError as error:
            _log.warning("the end of a target of %s is not stored: %s", self.config.job_name, error)

    def _apply_target_limit(self) -> None:
        limit, count = self.config.target_limit, len(self._loops)
        text = f"the job has {count} targets (target_limit {limit})" if 0 < limit < count else ""
        for loop in self.loops:
            loop.forced_error = text


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
