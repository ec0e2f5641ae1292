"""``tocsin nemo-run``: follow an experiment of NeMo-Run from outside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from tocsin.collect.nemo_run import Experiment, ExperimentStore, Status, Task, default_home
from tocsin.collect.nemo_run.log_tail import LogTail
from tocsin.errors import UsageError

INTERVAL_S: Final = 0.5
_SEARCHED: Final = 1000
"""Experiments that are looked through for one that is named."""

Home = Annotated[
    Path | None, typer.Option(help="Folder of NeMo-Run; $NEMORUN_HOME or ~/.nemo_run unless given.")
]


def nemo_run(
    experiment: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="Its title or id; the newest unless given.")
    ] = None,
    home: Home = None,
    logs: Annotated[bool, typer.Option(help="Print what the tasks write.")] = True,
    once: Annotated[bool, typer.Option("--once", help="Print how it stands, and end.")] = False,
) -> int:
    """Follow an experiment of NeMo-Run: states, exit codes, logs. Status 1 says that a task failed."""
    store = ExperimentStore(home or default_home())
    follower = Follower(found(store, experiment).id, logs=logs and not once)
    while True:
        current = found(store, follower.experiment)
        for line in follower.news(current):
            print(line, flush=True)
        if once or current.ended_s is not None:
            return 1 if current.status in {Status.FAILED, Status.LOST} else 0
        time.sleep(INTERVAL_S)


def found(store: ExperimentStore, wanted: str | None) -> Experiment:
    """The newest experiment of a title or id; raises UsageError when there is none."""
    for experiment in store.newest(1 if wanted is None else _SEARCHED):
        if wanted in {None, experiment.id, experiment.title}:
            return experiment
    what = "no experiment" if wanted is None else f'no experiment "{wanted}"'
    raise UsageError(f"there is {what} below {store.home} (another folder is named by --home)")


class Follower:
    """Says what is new in an experiment."""

    def __init__(self, experiment: str, *, logs: bool) -> None:
        self.experiment = experiment
        self._has_logs = logs
        self._states: dict[str, Status] = {}
        self._tails: dict[Path, LogTail] = {}

    def news(self, experiment: Experiment) -> Iterator[str]:
        """Lines about what changed since the last time, those of a log between begin and end of its task."""
        for task in experiment.tasks:
            is_news = self._states.get(task.name) is not task.status
            self._states[task.name] = task.status
            if is_news and task.ended_s is None:
                yield _state_line(task)
            if self._has_logs:
                yield from self._written(task)
            if is_news and task.ended_s is not None:
                yield _state_line(task)

    def _written(self, task: Task) -> Iterator[str]:
        for log in task.logs:
            tail = self._tails.setdefault(log, LogTail(log))
            yield from (f"{task.name} | {line}" for line in tail.read())


def _state_line(task: Task) -> str:
    parts = [f"{task.name}: {task.status.name.lower()}"]
    if task.exit_code is not None:
        parts.append(f"exit code {task.exit_code}")
    if task.ended_s is not None and task.started_s is not None:
        parts.append(f"after {task.ended_s - task.started_s:.0f} s")
    return ", ".join(parts)
