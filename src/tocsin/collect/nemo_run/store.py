"""The folder in which NeMo-Run keeps its experiments.

Seen with nemo-run 0.11 and its local executor: the state of a task stands in ``.local_jobs.json`` while it
runs and, with exit codes, in a file ``SUCCESS`` once it has ended, which is called so after a failure too.
``_DONE`` appears when the whole experiment has ended.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from tocsin.collect.nemo_run.experiment import Experiment, Status, Task

_STATES: Final = {
    "SUCCEEDED": Status.COMPLETE,
    "FAILED": Status.FAILED,
    "CANCELLED": Status.FAILED,
    "RUNNING": Status.RUNNING,
    "PENDING": Status.RUNNING,
    "SUBMITTED": Status.RUNNING,
    "UNSUBMITTED": Status.WAITING,
}
_LOG_NAMES: Final = ("stdout.log", "stderr.log")
"""What the task writes itself; combined.log is written by its parent, and ends when that is killed."""

_QUIET_S: Final = 60.0
"""A task that wrote something within this time is not looked for among the processes."""


def default_home() -> Path:
    """``$NEMORUN_HOME``, else ``~/.nemo_run``, as NeMo-Run has it."""
    return Path(os.environ.get("NEMORUN_HOME") or Path.home() / ".nemo_run")


class ExperimentStore:
    """Reads experiments below a home of NeMo-Run; whatever is half written counts as not there yet.

    ``open_files`` names the files that processes have open, which tells a task that is silent from one whose
    parent was killed. ``now_s`` is the time since 1970.
    """

    def __init__(
        self,
        home: Path,
        open_files: Callable[[], frozenset[str]] | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.home = home
        self._open_files = open_files or files_in_use
        self._now_s = now_s
        self._ended: dict[Path, Experiment] = {}

    def newest(self, count: int) -> list[Experiment]:
        """The experiments that began last, the newest first."""
        folders = sorted(self._folders(), key=_started_ns, reverse=True)
        jobs = _json(self.home / ".local_jobs.json")
        found = {
            folder: self._ended.get(folder) or self._experiment(folder, jobs) for folder in folders[:count]
        }
        self._ended = {folder: each for folder, each in found.items() if each.is_done}
        return list(found.values())

    def _folders(self) -> Iterator[Path]:
        for folder in self.home.glob("experiments/*/*_*"):
            if _started_ns(folder) and folder.is_dir():
                yield folder

    def _experiment(self, folder: Path, jobs: Mapping[str, Any]) -> Experiment:
        names = sorted(path.parent.name for path in folder.glob("*/configs"))
        tasks = [self._task(folder / name, jobs) for name in names]
        is_done = (folder / "_DONE").exists()
        if not is_done:
            tasks = self._without_lost(folder, tasks)
        return Experiment(folder.name, folder.parent.name, _started_ns(folder) / 1e9, is_done, tasks)

    def _task(self, folder: Path, jobs: Mapping[str, Any]) -> Task:
        attempts = [path for path in folder.glob("nemo_run/*") if path.is_dir()]
        if not attempts:
            return Task(folder.name, Status.WAITING, folder)
        # A task that was tried again has a folder for each attempt.
        attempt = max(attempts, key=_changed_s)
        replicas = sorted(attempt.glob("*/*/"))
        logs = tuple(log for each in replicas for name in _LOG_NAMES if (log := each / name).exists())
        ending = _json(attempt / "SUCCESS")
        job = jobs.get(attempt.name)
        state = ending.get("final_state") or (job[0] if isinstance(job, list) and job else "RUNNING")
        return Task(
            folder.name,
            _STATES.get(str(state), Status.RUNNING),
            folder,
            started_s=min((_changed_s(path) for path in attempt.glob("*")), default=_changed_s(attempt)),
            ended_s=_number(ending.get("last_updated")),
            exit_code=_exit_code(ending),
            logs=logs,
        )

    def _without_lost(self, folder: Path, tasks: list[Task]) -> list[Task]:
        """The tasks, those LOST that run no more though nobody says so."""
        if not any(self._is_quiet(task) for task in tasks):
            return tasks
        below = f"{folder}{os.sep}"
        if any(name.startswith(below) for name in self._open_files()):
            return tasks
        return [
            Task(task.name, Status.LOST, task.folder, task.started_s, self._touched_s(task), None, task.logs)
            if task.status is Status.RUNNING
            else task
            for task in tasks
        ]

    def _is_quiet(self, task: Task) -> bool:
        return task.status is Status.RUNNING and self._now_s() - self._touched_s(task) > _QUIET_S

    def _touched_s(self, task: Task) -> float:
        return max((_changed_s(log) for log in task.logs), default=task.started_s or 0.0)


def files_in_use() -> frozenset[str]:
    """The regular files that processes of this user have open."""
    found: set[str] = set()
    for process in psutil.process_iter():
        try:
            found.update(file.path for file in process.open_files())
        except psutil.Error:
            continue  # It has ended, or belongs to somebody else.
    return frozenset(found)


def _started_ns(folder: Path) -> int:
    """The start of an experiment, which stands at the end of its name; 0 for another folder."""
    title, _, digits = folder.name.rpartition("_")
    is_ours = title == folder.parent.name and digits.isascii() and digits.isdigit() and len(digits) < 20
    return int(digits) if is_ours else 0


def _json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one where it is missing or being written."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _exit_code(ending: Mapping[str, Any]) -> int | None:
    roles = ending.get("roles")
    replicas = [each for role in roles.values() for each in role] if isinstance(roles, dict) else []
    codes = [code for each in replicas if isinstance(code := each.get("exitcode"), int)]
    return next((code for code in codes if code), codes[0] if codes else None)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
