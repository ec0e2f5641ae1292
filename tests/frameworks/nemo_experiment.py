"""An experiment of three tasks, of which one fails: ``python nemo_experiment.py``, with NEMORUN_HOME set."""

from __future__ import annotations

from pathlib import Path

import nemo_run as run
from nemo_tasks import train

from tocsin.integrations.nemo_run import TocsinPlugin


def executor(task):
    return run.LocalExecutor(env_vars={"PYTHONPATH": str(Path(__file__).parent), "TASK": task})


def main():
    tasks = {
        "good": run.Partial(train, steps=20),
        "bad": run.Partial(train, steps=20, failing_step=5),
        "script": run.Script(inline='echo "labels: $TOCSIN_LABELS"; exit 7'),
    }
    with run.Experiment("toy") as experiment:
        for name, task in tasks.items():
            experiment.add(task, executor=executor(name), name=name, plugins=[TocsinPlugin()])
        experiment.run(sequential=False)


if __name__ == "__main__":  # NeMo-Run imports the script again in each task
    main()
