"""Lightning itself, under both of its names: what a Trainer does, and what its users do with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (make frameworks)")

import torch

from tests.frameworks import trainers
from tests.frameworks.trainers import STEPS, steps_of

pytestmark = [pytest.mark.framework, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def lightning(request):
    return pytest.importorskip(request.param, reason=f"{request.param} is not installed")


def lightning_callback(receiver, **options):
    from tocsin.integrations.lightning import TocsinCallback

    return TocsinCallback("line", url=receiver.url, **options)


def test_the_callback_is_one_of_each_package_that_is_imported(tmp_path):
    pytest.importorskip("pytorch_lightning")
    program = (
        "import {package} as pl\n"
        "from tocsin.integrations.lightning import TocsinCallback\n"
        "assert issubclass(TocsinCallback, pl.callbacks.Callback)\n"
    )
    for package in ("lightning.pytorch", "pytorch_lightning"):
        subprocess.run([sys.executable, "-c", program.format(package=package)], cwd=ROOT, check=True)


def test_lightning_losses_of_micro_batches_are_averaged(lightning, receiver, tmp_path):
    name = lightning.__name__
    trainer = trainers.lightning_trainer(
        lightning_callback(receiver), tmp_path, name, accumulate_grad_batches=3, max_epochs=1
    )
    net = trainers.lightning_module(name)
    expected = []
    net.on_train_batch_end = lambda outputs, batch, batch_idx: expected.append(float(outputs["loss"]) * 3)
    trainer.fit(net, trainers.loader())
    # Four micro-batches make a step of three, and one of the one that is left.
    assert receiver.values("training_loss") == pytest.approx([sum(expected[:3]) / 3, expected[3]], rel=1e-6)
    assert receiver.values("training_samples") == [24, 8]
    assert receiver.values("training_total_steps")[-1] == 2


def test_lightning_gradients_are_measured_before_they_are_clipped(lightning, receiver, tmp_path):
    name = lightning.__name__
    trainer = trainers.lightning_trainer(
        lightning_callback(receiver, gradient_norm_every=4), tmp_path, name, gradient_clip_val=1e-3
    )
    net = trainers.lightning_module(name)
    norms = []

    def note(optimizer):
        norms.append(float(torch.cat([each.grad.flatten() for each in net.parameters()]).norm()))

    net.on_before_optimizer_step = note
    trainer.fit(net, trainers.loader())
    assert receiver.values("training_grad_norm") == pytest.approx(norms[::4], rel=1e-6)
    assert steps_of(receiver, "training_grad_norm") == [1, 5]


def test_lightning_with_several_optimisers(lightning, receiver, tmp_path):
    class Game(lightning.LightningModule):
        automatic_optimization = False

        def __init__(self):
            super().__init__()
            self.one, self.two = trainers.linear(), trainers.linear()

        def training_step(self, batch, batch_idx):
            for player, optimizer in zip((self.one, self.two), self.optimizers(), strict=True):
                loss = torch.nn.functional.mse_loss(player(batch[0]), batch[1])
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
            return loss.detach()

        def configure_optimizers(self):
            rates = ((self.one, 0.1), (self.two, 0.2))
            return [torch.optim.SGD(player.parameters(), lr=rate) for player, rate in rates]

    trainer = trainers.lightning_trainer(
        lightning_callback(receiver, gradient_norm_every=1), tmp_path, lightning.__name__
    )
    trainer.fit(Game(), trainers.loader())
    # Lightning counts a step of each optimiser.
    assert steps_of(receiver) == list(range(2, 2 * STEPS + 1, 2))
    assert receiver.values("training_learning_rate") == [0.1] * STEPS
    assert receiver.values("training_learning_rate_2") == [0.2] * STEPS
    assert len(receiver.values("training_grad_norm_2")) == STEPS


def test_lightning_with_optimisers_that_it_does_not_see(lightning, receiver, tmp_path):
    class Own(lightning.LightningModule):
        automatic_optimization = False

        def __init__(self):
            super().__init__()
            self.linear = trainers.linear()

        def training_step(self, batch, batch_idx):
            loss = torch.nn.functional.mse_loss(self.linear(batch[0]), batch[1])
            loss.backward()
            return {"loss": loss}

        def configure_optimizers(self):
            return None

    trainer = trainers.lightning_trainer(lightning_callback(receiver), tmp_path, lightning.__name__)
    trainer.fit(Own(), trainers.loader())
    assert steps_of(receiver) == list(range(1, STEPS + 1))
    assert receiver.values("training_status")[-1] == 2


def test_lightning_validating_or_testing_alone_is_no_training(lightning, receiver, tmp_path):
    name = lightning.__name__
    trainer = trainers.lightning_trainer(lightning_callback(receiver), tmp_path, name)
    trainer.validate(trainers.lightning_module(name), trainers.loader(), verbose=False)
    assert not receiver.samples


def test_lightning_tells_what_each_validation_measured_and_nothing_of_the_sanity_check(
    lightning, receiver, tmp_path
):
    name = lightning.__name__
    trainer = trainers.lightning_trainer(
        lightning_callback(receiver), tmp_path, name, val_check_interval=2, num_sanity_val_steps=2
    )
    trainer.fit(trainers.lightning_module(name), trainers.loader(), trainers.loader())
    assert steps_of(receiver, "training_val_loss") == [2, 4, 6, 8]
    assert not receiver.values("training_val_train_loss")
    parts = {sample.labels for sample in receiver.of("training_part_seconds_total")}
    assert sum('part="validation"' in labels for labels in parts) == 1


def test_lightning_stopping_early_is_an_end_like_another(lightning, receiver, tmp_path):
    name = lightning.__name__
    stop = lightning.callbacks.EarlyStopping("val_loss", patience=1, min_delta=1e9)
    trainer = trainers.lightning_trainer(
        None, tmp_path, name, max_epochs=50, callbacks=[lightning_callback(receiver), stop]
    )
    trainer.fit(trainers.lightning_module(name), trainers.loader(), trainers.loader())
    assert steps_of(receiver)[-1] < 50 * trainers.BATCHES
    assert receiver.values("training_status")[-1] == 2


def test_lightning_failing_before_its_first_step_is_told(lightning, receiver, tmp_path):
    name = lightning.__name__
    trainer = trainers.lightning_trainer(lightning_callback(receiver), tmp_path, name)
    net = trainers.lightning_module(name)

    def fail():
        raise ValueError("no such data")

    net.on_fit_start = fail
    with pytest.raises(ValueError, match="no such data"):
        trainer.fit(net, trainers.loader())
    assert receiver.values("training_status")[-1] == 3
    assert not receiver.values("training_loss")


def test_lightning_trainer_is_left_as_it_was(lightning, receiver, tmp_path):
    name = lightning.__name__
    callbacks = [lightning_callback(receiver), lightning_callback(receiver)]
    trainer = trainers.lightning_trainer(None, tmp_path, name, callbacks=callbacks)
    trainer.fit(trainers.lightning_module(name), trainers.loader())
    assert "save_checkpoint" not in vars(trainer)
    assert callbacks[0].monitor is None


def test_lightning_processes_have_a_rank_each(receiver, tmp_path):
    pytest.importorskip("lightning.pytorch")
    program = (
        "import sys; from pathlib import Path; from tests.frameworks import trainers\n"
        "import lightning.pytorch\n"
        "from tocsin.integrations.lightning import TocsinCallback\n"
        "if __name__ == '__main__':\n"
        "    trainer = trainers.lightning_trainer(\n"
        "        TocsinCallback('line'), Path(sys.argv[1]), devices=2, strategy='ddp_spawn')\n"
        "    trainer.fit(trainers.Line(), trainers.loader(), trainers.loader())\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    environment = {
        **os.environ,
        "TOCSIN_URL": receiver.url,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    labels = {sample.labels for sample in receiver.of("training_loss")}
    assert sorted(rank for rank in ("0", "1") for each in labels if f'rank="{rank}"' in each) == ["0", "1"]
    saved = {sample.labels for sample in receiver.of("training_checkpoints_total")}
    assert len(saved) == 1
    assert receiver.values("training_status")[-2:] == [2, 2]
    assert receiver.values("training_world_size")[-1] == 2
