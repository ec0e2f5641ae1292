"""Accelerate itself: what is given to its trackers, in one process and in several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (make frameworks)")
pytest.importorskip("accelerate", reason="accelerate is not installed (make frameworks)")

import torch
from accelerate import Accelerator

from tests.frameworks.trainers import steps_of
from tocsin.integrations.accelerate import TocsinTracker

pytestmark = [pytest.mark.framework, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).resolve().parents[2]


def accelerator_of(tracker, config=None):
    accelerator = Accelerator(cpu=True, log_with=tracker)
    accelerator.init_trackers("line", config=config)
    return accelerator


def test_what_is_called_validation_is_no_step(receiver, caplog):
    accelerator = accelerator_of(TocsinTracker("line", url=receiver.url))
    accelerator.log({"loss": torch.tensor(0.5, requires_grad=True), "note": "text"}, step=3)
    accelerator.log({"eval_loss": 0.4, "val/accuracy": 0.9}, step=3)
    accelerator.log({"loss": 0.3, "test_loss": 0.2})
    accelerator.end_training()
    assert receiver.values("training_loss") == pytest.approx([0.5, 0.3])
    assert steps_of(receiver) == [3, 4]
    assert receiver.values("training_val_loss") == [0.4]
    assert receiver.values("training_val_accuracy") == [0.9]
    assert receiver.values("training_val_test_loss") == [0.2]
    assert not [record for record in caplog.records if record.name == "tocsin"]


@pytest.mark.parametrize(
    ("own", "config", "expected"),
    [
        (None, {"max_train_steps": 7}, 7),
        (5, {"max_train_steps": 7}, 5),
        (None, {"max_train_steps": "many", "total_steps": 9}, 9),
        (None, None, None),
    ],
)
def test_how_many_steps_there_will_be(receiver, own, config, expected):
    accelerator = accelerator_of(TocsinTracker(url=receiver.url, total_steps=own), config)
    accelerator.log({"loss": 0.5})
    accelerator.end_training()
    assert receiver.values("training_total_steps")[-1:] == ([] if expected is None else [expected])


def test_the_monitor_is_there_for_what_only_the_program_knows(receiver, caplog):
    accelerator = accelerator_of(TocsinTracker("line", url=receiver.url))
    run = accelerator.get_tracker("tocsin", unwrap=True)
    with run.part("data"):
        pass
    with run.validation():
        run.evaluate(loss=0.25)
    accelerator.end_training()
    assert receiver.values("training_val_loss") == [0.25]
    assert len(receiver.of("training_part_seconds_total")) == 2
    assert not [record for record in caplog.records if record.name == "tocsin"]


def test_what_is_logged_after_the_end_does_not_begin_a_run(receiver):
    accelerator = accelerator_of(TocsinTracker("line", url=receiver.url))
    accelerator.log({"loss": 0.5})
    accelerator.end_training()
    told = len(receiver.samples)
    accelerator.log({"loss": 0.5})
    accelerator.get_tracker("tocsin", unwrap=True).step(loss=0.5)
    assert len(receiver.samples) == told


def test_of_several_processes_the_first_reports(receiver, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "from accelerate import Accelerator\n"
        "from tocsin.integrations.accelerate import TocsinTracker\n"
        "tracker = TocsinTracker()\n"
        "accelerator = Accelerator(cpu=True, log_with=tracker)\n"
        "accelerator.init_trackers('line', config={'lr': 0.1})\n"
        "for step in range(3):\n"
        "    with tracker.monitor.part('data'):\n"
        "        accelerator.log({'loss': 1.0}, step=step + 1)\n"
        "accelerator.end_training()\n"
    )
    environment = {**os.environ, "TOCSIN_URL": receiver.url, "PYTHONPATH": str(ROOT / "src")}
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(script),
    ]
    done = subprocess.run(launch, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    labels = {sample.labels for sample in receiver.of("training_loss")}
    assert len(labels) == 1
    assert 'rank="0",run="program"' in labels.pop()
    assert receiver.values("training_status")[-1] == 2
