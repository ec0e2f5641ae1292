"""What the tasks of an experiment do; each runs in a process that NeMo-Run starts."""

from __future__ import annotations

import os
import time

from tocsin import TrainingMonitor


def train(steps: int, failing_step: int = 0) -> None:
    with TrainingMonitor(os.environ["TASK"], total_steps=steps) as run:
        for step in range(1, steps + 1):
            run.step(loss=1 / step)
            print(f"step {step}", flush=True)
            if step == failing_step:
                raise RuntimeError("this task was told to fail")
            time.sleep(0.2)
