"""Folders and files as NeMo-Run 0.11 writes them with its local executor."""

from __future__ import annotations

import json
import os
from pathlib import Path

START_NS = 1_795_737_701_116_791_456


class Home:
    """A home of NeMo-Run in which a test plays what NeMo-Run does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: dict[str, list[object]] = {}

    def experiment(self, title: str = "demo", started_ns: int = START_NS) -> Path:
        folder = self.path / "experiments" / title / f"{title}_{started_ns}"
        folder.mkdir(parents=True)
        for name in ("_CONFIG", "_TASKS", "_TUNNELS", "_VERSION", "__main__.py"):
            (folder / name).write_text("")
        return folder

    def task(self, experiment: Path, name: str) -> Path:
        (experiment / name / "configs").mkdir(parents=True)
        (experiment / name / "configs" / f"{name}_executor.yaml").write_text("env_vars: {}\n")
        return experiment / name

    def run(self, task: Path, attempt: str = "a1", at_s: float = START_NS / 1e9) -> Path:
        """Begin an attempt; returns its log."""
        folder = task / "nemo_run" / f"{task.name}-{attempt}"
        replica = folder / task.name / "0"
        replica.mkdir(parents=True)
        log = replica / "stdout.log"
        self.write(log, "", at_s)
        for each in (replica.parent, folder):
            os.utime(each, (at_s, at_s))
        self._jobs[folder.name] = ["RUNNING", folder.name, str(folder), [task.name]]
        self._note()
        return log

    def write(self, log: Path, text: str, at_s: float) -> None:
        with log.open("a") as file:
            file.write(text)
        os.utime(log, (at_s, at_s))

    def end(self, task: Path, state: str, exit_code: int, at_s: float, attempt: str = "a1") -> None:
        folder = task / "nemo_run" / f"{task.name}-{attempt}"
        replica = {"replica_id": 0, "pid": 1, "exitcode": exit_code}
        ending = {
            "app_id": folder.name,
            "final_state": state,
            "last_updated": at_s,
            "roles": {task.name: [replica]},
        }
        (folder / "SUCCESS").write_text(json.dumps(ending))
        self._jobs[folder.name][0] = state
        self._note()

    def _note(self) -> None:
        (self.path / ".local_jobs.json").write_text(json.dumps(self._jobs))
