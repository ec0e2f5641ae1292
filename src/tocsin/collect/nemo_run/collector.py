"""The experiments of NeMo-Run as series."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tocsin.collect.nemo_run.experiment import Experiment, Task
from tocsin.collect.nemo_run.log_tail import LogTail
from tocsin.collect.nemo_run.store import ExperimentStore, default_home

MAX_EXPERIMENTS: Final = 50
"""Of which there are series; those that began last."""

KEPT_S: Final = 86_400.0
"""How long an experiment that has ended is still told of."""

_ERROR: Final = re.compile(
    r"\b(ERROR|CRITICAL|FATAL)\b|^Traceback \(most recent call last\)|^\w*(Error|Exception):"
)


class NemoRunCollector:
    """States, exit codes, times and errors in the logs of the experiments below a home of NeMo-Run.

    Where there is no such folder, it tells of no experiments. Nothing has to be added to an experiment.
    """

    name = "nemo_run"

    def __init__(self, store: ExperimentStore | None = None, now_s: Callable[[], float] = time.time) -> None:
        self._store = store or ExperimentStore(default_home())
        self._now_s = now_s
        self._errors: dict[Path, tuple[LogTail, int]] = {}

    def collect(self) -> Iterable[Metric]:
        """The ``nemo_run_*`` families."""
        experiments = [each for each in self._store.newest(MAX_EXPERIMENTS) if self._is_current(each)]
        logs = {log for each in experiments for task in each.tasks for log in task.logs}
        self._errors = {log: counted for log, counted in self._errors.items() if log in logs}
        count = GaugeMetricFamily("nemo_run_experiments", "That are told of here.", value=len(experiments))
        return (
            [count, *_of_experiments(experiments), *self._of_tasks(experiments)] if experiments else [count]
        )

    def _is_current(self, experiment: Experiment) -> bool:
        ended_s = experiment.ended_s
        return ended_s is None or self._now_s() - ended_s < KEPT_S

    def _of_tasks(self, experiments: Iterable[Experiment]) -> Iterable[Metric]:
        names = ("title", "experiment", "task")
        status = GaugeMetricFamily(
            "nemo_run_task_status", "0 waiting, 1 running, 2 complete, 3 failed, 4 lost.", labels=names
        )
        exit_code = GaugeMetricFamily("nemo_run_task_exit_code", "Of a task that has ended.", labels=names)
        started = GaugeMetricFamily("nemo_run_task_start_time_seconds", "When it began.", labels=names)
        ended = GaugeMetricFamily("nemo_run_task_end_time_seconds", "When it ended.", labels=names)
        errors = CounterMetricFamily(
            "nemo_run_task_log_errors", "Lines of its logs that tell of an error.", labels=names
        )
        for experiment in experiments:
            for task in experiment.tasks:
                labels = experiment.title, experiment.id, task.name
                status.add_metric(labels, task.status)
                errors.add_metric(labels, self._errors_of(task))
                known = ((exit_code, task.exit_code), (started, task.started_s), (ended, task.ended_s))
                for family, value in known:
                    if value is not None:
                        family.add_metric(labels, value)
        return status, exit_code, started, ended, errors

    def _errors_of(self, task: Task) -> int:
        return sum(map(self._errors_in, task.logs))

    def _errors_in(self, log: Path) -> int:
        tail, count = self._errors.get(log) or (LogTail(log), 0)
        count += sum(_ERROR.search(line) is not None for line in tail.read())
        self._errors[log] = tail, count
        return count


def _of_experiments(experiments: Iterable[Experiment]) -> Iterable[Metric]:
    names = ("title", "experiment")
    status = GaugeMetricFamily(
        "nemo_run_experiment_status", "0 waiting, 1 running, 2 complete, 3 failed, 4 lost.", labels=names
    )
    started = GaugeMetricFamily("nemo_run_experiment_start_time_seconds", "When it began.", labels=names)
    for experiment in experiments:
        labels = experiment.title, experiment.id
        status.add_metric(labels, experiment.status)
        started.add_metric(labels, experiment.started_s)
    return status, started
