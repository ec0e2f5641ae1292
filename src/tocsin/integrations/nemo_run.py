"""NeMo-Run: a plugin that tells the monitors in every task where to send and what they belong to.

Without it tasks are watched as well, from outside: ``tocsin up`` and ``tocsin nemo-run`` read NeMo-Run's
files. With it, the series of a :class:`tocsin.TrainingMonitor` in a task have the labels ``experiment`` and
``task``, and tasks on other machines find the server.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

try:
    from nemo_run.run.plugin import ExperimentPlugin
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tocsin.integrations.nemo_run needs NeMo-Run: pip install nemo-run 'leptonai<0.28'"
        f" ({error.name} is missing)",
        name=error.name,
    ) from error

__all__ = ["TocsinPlugin"]

_PREFIXES: Final = ("TOCSIN_", "FL_")


@dataclass(kw_only=True)
class TocsinPlugin(ExperimentPlugin):  # type: ignore[misc]  # NeMo-Run has no types
    """Gives every task the environment that tocsin's monitors read; what an executor already has is kept.

    ``url`` is the tocsin to send to, as tasks reach it; without it that of ``TOCSIN_URL``, or the one that
    runs beside the task. All variables of tocsin (``TOCSIN_*``, ``FL_*``) that are set here are handed on.

    ::

        exp.add(run.Partial(train), executor=executor, name="train", plugins=[TocsinPlugin()])
    """

    url: str = ""

    def setup(self, task: Any, executor: Any) -> None:
        """Called by NeMo-Run when a task is added."""
        own = {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES)}
        if self.url:
            own["TOCSIN_URL"] = self.url
        labels = {"experiment": getattr(self, "experiment_id", ""), "task": _task_name(executor)}
        own["TOCSIN_LABELS"] = ",".join(f"{name}={quote(value)}" for name, value in labels.items() if value)
        for name, value in own.items():
            executor.env_vars.setdefault(name, value)


def _task_name(executor: Any) -> str:
    """The name of the task, after which NeMo-Run calls its folder; empty in a group of tasks."""
    folder = getattr(executor, "job_dir", "")
    return PurePath(folder).name if isinstance(folder, str) else ""
