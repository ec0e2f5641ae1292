"""Lightning, Transformers, Keras and Accelerate themselves: tiny trainings that arrive at a real server."""

from __future__ import annotations

import copy
import logging
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (make frameworks)")

import torch

from tests.frameworks import trainers
from tests.frameworks.trainers import FRAMEWORKS, STEPS, Accident, steps_of

pytestmark = [pytest.mark.framework, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request):
    pytest.importorskip(request.param.package, reason=f"{request.param.package} is not installed")
    return request.param


def test_a_training_is_told_from_its_first_step_to_its_end(framework, receiver, tmp_path, caplog):
    framework.train(framework.make(tmp_path, name="line", url=receiver.url), tmp_path, Accident())
    assert steps_of(receiver) == list(range(1, STEPS + 1))
    losses = receiver.values("training_loss")
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0]
    assert receiver.values("training_learning_rate")[0] == pytest.approx(
        5e-5 if framework.name == "transformers" else 0.1
    )
    assert receiver.values("training_samples_total")[-1] == STEPS * trainers.BATCH_SIZE
    assert receiver.values("training_epoch")
    assert len(receiver.values("training_val_loss")) == trainers.EPOCHS
    assert steps_of(receiver, "training_val_loss")[-1] == STEPS
    assert receiver.values("training_checkpoints_total")[-1] == trainers.EPOCHS
    assert receiver.values("training_checkpoint_step")[-1] == STEPS
    assert receiver.values("training_checkpoint_size_bytes")[-1] > 100
    assert receiver.values("training_total_steps")[-1] == STEPS
    assert receiver.values("training_status")[-1] == 2
    assert {sample.labels for sample in receiver.of("training_loss")} == {
        sample.labels for sample in receiver.of("training_val_loss")
    }
    assert 'run="line"' in receiver.of("training_loss")[0].labels
    if framework.name != "keras":
        assert len(receiver.values("training_grad_norm")) == STEPS
    assert not [record for record in caplog.records if record.name == "tocsin"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_a_training_raises_is_the_same_outside_and_marks_it_as_failed(
    framework, receiver, tmp_path, kind
):
    fault = kind("mine")
    callback = framework.make(tmp_path, url=receiver.url)
    # Lightning turns Ctrl-C into an exit of the program.
    with pytest.raises((kind, SystemExit) if framework.name == "lightning" else kind) as caught:
        framework.train(callback, tmp_path, Accident(at=3, fault=fault))
    assert caught.value is fault or (framework.name == "lightning" and kind is KeyboardInterrupt)
    assert steps_of(receiver) == [1, 2]
    assert receiver.values("training_status")[-1] == 3


def test_a_training_that_goes_on_from_a_checkpoint_goes_on_in_its_steps(framework, receiver, tmp_path):
    framework.train(framework.make(tmp_path, url=receiver.url), tmp_path, Accident())
    receiver.samples.clear()
    framework.train(framework.make(tmp_path, url=receiver.url), tmp_path, Accident(), again=True)
    assert steps_of(receiver) == list(range(STEPS + 1, 2 * STEPS + 1))
    assert receiver.values("training_total_steps")[-1] == 2 * STEPS


def test_a_callback_serves_one_training_after_another(framework, receiver, tmp_path):
    callback = framework.make(tmp_path, url=receiver.url)
    for _ in range(2):
        framework.train(callback, tmp_path, Accident())
    assert steps_of(receiver) == 2 * list(range(1, STEPS + 1))


def test_a_training_learns_the_same_watched_as_not(framework, receiver, tmp_path):
    watched = framework.train(framework.make(tmp_path, url=receiver.url), tmp_path / "a", Accident())
    plain = framework.train(None, tmp_path / "b", Accident())
    assert torch.equal(watched, plain)


def test_whatever_breaks_in_the_callback_the_training_goes_on(framework, tmp_path, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise RuntimeError("broken")

    caplog.set_level(logging.WARNING, logger="tocsin")
    plain = framework.train(None, tmp_path / "a", Accident())
    for name in ("step", "part", "checkpoint", "evaluate", "begin_validation", "end"):
        monkeypatch.setattr(f"tocsin.integrations._trainer_run.TrainerRun.{name}", broken)
    watched = framework.train(framework.make(tmp_path), tmp_path / "b", Accident())
    assert torch.equal(watched, plain)
    assert len([record for record in caplog.records if record.name == "tocsin"]) == 1


def test_wrong_options_are_refused_where_they_are_written(framework, tmp_path):
    with pytest.raises(TypeError, match='there is no option "colour"'):
        framework.make(tmp_path, colour="red")


def test_a_callback_can_be_copied_and_sent(framework, tmp_path):
    callback = framework.make(tmp_path, name="line")
    sent = pickle.loads(pickle.dumps(callback))  # noqa: S301 - our own
    for twin in (copy.deepcopy(callback), sent):
        assert type(twin) is type(callback)


def test_a_program_that_ends_by_an_exception_has_failed(receiver, tmp_path):
    pytest.importorskip("transformers")
    program = (
        "import sys; from pathlib import Path; from tests.frameworks import trainers\n"
        "from tocsin.integrations.transformers import TocsinCallback\n"
        "accident = trainers.Accident(at=3, fault=ValueError('mine'))\n"
        "folder = Path(sys.argv[1])\n"
        "trainers.transformers_trainer(TocsinCallback(), folder, accident).train()\n"
    )
    environment = {**os.environ, "TOCSIN_URL": receiver.url}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert steps_of(receiver) == [1, 2]
    assert receiver.values("training_status")[-1] == 3
    assert 'run="line"' in receiver.of("training_loss")[0].labels


@pytest.mark.parametrize(
    ("example", "package"),
    [
        ("pytorch_loop", "torch"),
        ("lightning_fit", "lightning"),
        ("transformers_trainer", "transformers"),
        ("keras_fit", "keras"),
        ("accelerate_loop", "accelerate"),
    ],
)
def test_the_examples_run(receiver, example, package):
    pytest.importorskip(package, reason=f"{package} is not installed")
    environment = {**os.environ, "TOCSIN_URL": receiver.url}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{example}.py"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = receiver.values("training_loss")
    assert sum(losses[-5:]) < sum(losses[:5])
    assert receiver.values("training_checkpoints_total")[-1] >= 4
    assert receiver.values("training_status")[-1] == 2
    assert receiver.values("training_step")[-1] == receiver.values("training_total_steps")[-1]
