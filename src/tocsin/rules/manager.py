"""All groups of rules: loaded, run at the same time, and exchanged while they run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigError, StorageError
from tocsin.rules.files import GroupDefinition, read_rule_file
from tocsin.rules.group import RuleGroup, Surroundings

_THREADS: Final = 4
"""Groups evaluated at the same time; NumPy lets them run side by side, Python's own code does not."""

_log = logging.getLogger(__name__)


def read_groups(files: Sequence[Path], builtin: Sequence[GroupDefinition] = ()) -> list[GroupDefinition]:
    """The groups of some files, behind some already read; raises ConfigError when a file is wrong."""
    definitions = [*builtin, *(group for file in files for group in read_rule_file(file))]
    if len({definition.key for definition in definitions}) < len(definitions):
        raise ConfigError("a rule file is named twice")
    return definitions


class RuleManager:
    """Runs groups of rules.

    ::

        manager = RuleManager(Surroundings(query, storage, clock, notify, RuleMetrics()))
        manager.load([Path("rules.yml")], shipped_rules())
        await manager.run()
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="rules")
        self.surroundings = replace(surroundings, executor=self._executor)
        self._groups: dict[tuple[str, str], RuleGroup] = {}
        self._tasks: dict[RuleGroup, asyncio.Task[None]] = {}
        self._leaving: list[RuleGroup] = []
        self._changed = asyncio.Event()
        self._has_loaded = False

    @property
    def groups(self) -> list[RuleGroup]:
        """All groups, by file and name."""
        return [self._groups[key] for key in sorted(self._groups)]

    def load(self, files: Sequence[Path], builtin: Sequence[GroupDefinition] = ()) -> None:
        """Exchange all groups for those of some files, and some that are already read.

        Raises ConfigError, with everything left as it was, when a file is wrong.
        """
        self.exchange(read_groups(files, builtin))

    def exchange(
        self, definitions: Sequence[GroupDefinition], surroundings: Surroundings | None = None
    ) -> None:
        """Exchange all groups.

        Groups that stay as they were go on undisturbed unless their surroundings change, and rules that
        remain in a changed group keep their alerts.
        """
        self.surroundings = surroundings or self.surroundings
        old, self._groups = self._groups, {}
        for definition in definitions:
            self._groups[definition.key] = self._kept_or_new(old.pop(definition.key, None), definition)
        self._leaving += old.values()
        self._has_loaded = True
        self._changed.set()

    def _kept_or_new(self, old: RuleGroup | None, definition: GroupDefinition) -> RuleGroup:
        if old is not None and old.definition == definition and old.surroundings == self.surroundings:
            return old
        group = RuleGroup(definition, self.surroundings, is_after_restart=not self._has_loaded)
        if old is not None:
            group.adopt(old)
        return group

    async def run(self) -> None:
        """Evaluate all groups until cancelled; what :meth:`load` changes meanwhile takes effect at once."""
        try:
            while True:
                self._changed.clear()
                await self._follow()
                await self._wait_for_change()
        finally:
            await _stop(list(self._tasks.values()))
            self._executor.shutdown(wait=False)

    async def _wait_for_change(self) -> None:
        """Wait for the next load; a group whose task has ended by an unexpected error raises it here."""
        change = asyncio.create_task(self._changed.wait())
        try:
            done, _ = await asyncio.wait({change, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
        for task in done:
            task.result()

    async def _follow(self) -> None:
        """Start and stop tasks so that those of the present groups run."""
        present = set(self._groups.values())
        gone = {group: task for group, task in self._tasks.items() if group not in present}
        await _stop(list(gone.values()))
        for group in gone:
            del self._tasks[group]
        for group in present - set(self._tasks):
            self._tasks[group] = asyncio.create_task(group.run(), name=f"rules:{group.name}")
        await self._end_series()

    async def _end_series(self) -> None:
        while self._leaving:
            group = self._leaving.pop()
            if all(group.name != other.name for other in self._groups.values()):
                self.surroundings.metrics.forget(group.name)
            try:
                await group.abandon()
            except StorageError as error:
                _log.warning('the series of group "%s" are not marked as ended: %s', group.name, error)


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
