"""Tiny trainings with each framework: two epochs of four batches of eight, the same data each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import torch
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from tests.sdk.receiver import Receiver

EPOCHS, BATCHES, BATCH_SIZE = 2, 4, 8
STEPS = EPOCHS * BATCHES

torch.manual_seed(7)
INPUTS = torch.randn(BATCHES * BATCH_SIZE, 4)
TARGETS = INPUTS.sum(1, keepdim=True) + 0.1 * torch.randn(BATCHES * BATCH_SIZE, 1)


def steps_of(receiver: Receiver, name: str = "training_loss") -> list[int]:
    """The numbers of the steps at which a value was told."""
    times = {sample.time_ms for sample in receiver.of(name)}
    return [int(sample.value) for sample in receiver.of("training_step") if sample.time_ms in times]


class Accident:
    """Raises what it is given at one batch."""

    def __init__(self, at: int = 0, fault: BaseException | None = None) -> None:
        self.at, self.fault, self.batches = at, fault, 0

    def __call__(self) -> None:
        self.batches += 1
        if self.fault is not None and self.batches == self.at:
            raise self.fault


def loader(batch_size: int = BATCH_SIZE) -> DataLoader:
    return DataLoader(TensorDataset(INPUTS, TARGETS), batch_size)


def linear() -> torch.nn.Linear:
    torch.manual_seed(7)
    return torch.nn.Linear(4, 1)


# Lightning.


def lightning_module(package: str = "lightning.pytorch", accident: Accident | None = None) -> Any:
    return lightning_class(package, accident)()


def lightning_class(package: str = "lightning.pytorch", accident: Accident | None = None) -> Any:
    import importlib

    pl = importlib.import_module(package)

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.linear = linear()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if accident is not None:
                accident()
            loss = mse_loss(self.linear(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", mse_loss(self.linear(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    Line.__qualname__ = "Line"
    return Line


@cache
def _line() -> Any:
    return lightning_class()


def __getattr__(name: str) -> Any:
    """The module of Lightning under a name of this file, so that it can be sent to other processes."""
    if name == "Line":
        return _line()
    raise AttributeError(name)


def lightning_trainer(callback: Any, folder: Path, package: str = "lightning.pytorch", **options: Any) -> Any:
    import importlib

    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    usual = {"max_epochs": EPOCHS, "accelerator": "cpu", "default_root_dir": folder, **quiet}
    callbacks = [] if callback is None else [callback]
    return importlib.import_module(package).Trainer(**{**usual, "callbacks": callbacks, **options})


def train_lightning(callback: Any, folder: Path, accident: Accident, *, again: bool = False) -> Any:
    trainer = lightning_trainer(callback, folder, max_epochs=2 * EPOCHS if again else EPOCHS)
    net = lightning_module(accident=accident)
    trainer.fit(net, loader(), loader(), ckpt_path=folder / "last.ckpt" if again else None)
    trainer.save_checkpoint(folder / "last.ckpt")
    return net.linear.weight


# Transformers.


def transformers_trainer(
    callback: Any, folder: Path, accident: Accident | None = None, **options: Any
) -> Any:
    import transformers

    class Config(transformers.PretrainedConfig):
        model_type = "line"

    class Net(transformers.PreTrainedModel):
        config_class = Config

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.linear = torch.nn.Linear(4, 1)
            self.post_init()

        def forward(self, inputs: Any = None, labels: Any = None, input_ids: Any = None) -> Any:
            if accident is not None and self.training:
                accident()
            found = self.linear(inputs)
            return {"loss": mse_loss(found, labels), "logits": found}

    data = [{"inputs": x, "labels": y} for x, y in zip(INPUTS, TARGETS, strict=True)]
    usual = {
        "output_dir": str(folder / "line"),
        "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": BATCH_SIZE,
        "logging_steps": 1,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
    }
    torch.manual_seed(7)
    return transformers.Trainer(
        Net(Config()),
        transformers.TrainingArguments(**{**usual, **options}),
        train_dataset=data,
        eval_dataset=data,
        callbacks=[] if callback is None else [callback],
    )


def train_transformers(callback: Any, folder: Path, accident: Accident, *, again: bool = False) -> Any:
    epochs = 2 * EPOCHS if again else EPOCHS
    trainer = transformers_trainer(callback, folder, accident, num_train_epochs=epochs)
    with callback or nullcontext():
        trainer.train(resume_from_checkpoint=again or None)
    return trainer.model.linear.weight


# Keras.


def keras_model(kind: Any = None, **compile_options: Any) -> Any:
    import keras

    keras.utils.set_random_seed(7)
    model = (kind or keras.Sequential)([keras.layers.Input((4,)), keras.layers.Dense(1)], name="line")
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **compile_options})
    return model


def keras_fit(model: Any, callbacks: list[Any], **options: Any) -> Any:
    data = {"x": INPUTS.numpy(), "y": TARGETS.numpy()}
    usual = {"batch_size": BATCH_SIZE, "epochs": EPOCHS, "verbose": 0, "shuffle": False}
    return model.fit(**{**data, **usual, "callbacks": callbacks, **options})


def train_keras(callback: Any, folder: Path, accident: Accident, *, again: bool = False) -> Any:
    import keras

    model = keras_model()
    raising = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: accident())
    if again:
        model.load_weights(folder / "02.weights.h5")
        model.optimizer.iterations.assign(STEPS)
    saving = keras.callbacks.ModelCheckpoint(str(folder / "{epoch:02d}.weights.h5"), save_weights_only=True)
    first = EPOCHS if again else 0
    given = {"validation_data": (INPUTS.numpy(), TARGETS.numpy()), "initial_epoch": first}
    with callback or nullcontext():
        keras_fit(model, [*([callback] if callback else []), saving, raising], epochs=first + EPOCHS, **given)
    return model.layers[0].kernel.value


# Accelerate.


def train_accelerate(tracker: Any, folder: Path, accident: Accident, *, again: bool = False) -> Any:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, log_with=tracker)
    accelerator.init_trackers("line", config={"max_train_steps": STEPS * (2 if again else 1)})
    run = None if tracker is None else accelerator.get_tracker("tocsin", unwrap=True)
    model = linear()
    model, optimizer, batches = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1), loader())
    step = STEPS if again else 0
    with tracker or nullcontext():
        for epoch in range(EPOCHS):
            for inputs, targets in batches:
                accident()
                loss = mse_loss(model(inputs), targets)
                accelerator.backward(loss)
                norm = accelerator.clip_grad_norm_(model.parameters(), 1e9)
                optimizer.step()
                optimizer.zero_grad()
                step += 1
                values = {"loss": loss, "grad_norm": norm, "lr": 0.1, "samples": len(inputs)}
                accelerator.log({**values, "epoch": epoch, "note": "text"}, step=step)
            accelerator.log({"val_loss": loss.item()}, step=step)
            accelerator.save_state(str(folder / f"state-{epoch}"))
            if run is not None:
                run.checkpoint(folder / f"state-{epoch}", step=step)
        accelerator.end_training()
    return model.weight


@dataclass(frozen=True)
class Framework:
    name: str
    package: str
    callback: str
    train: Callable[..., Any]

    def make(self, folder: Path, **options: Any) -> Any:
        """A callback of the framework; that of Keras is told where checkpoints are, and the batch size."""
        import importlib

        if self.name == "keras":
            own = {"batch_size": BATCH_SIZE, "checkpoints": str(folder / "{epoch:02d}.weights.h5")}
            options = {**own, **options}
        elif self.name == "lightning":
            options = {"gradient_norm_every": 1, **options}
        module = importlib.import_module(f"tocsin.integrations.{self.name}")
        return getattr(module, self.callback)(**options)


FRAMEWORKS = (
    Framework("lightning", "lightning.pytorch", "TocsinCallback", train_lightning),
    Framework("transformers", "transformers", "TocsinCallback", train_transformers),
    Framework("keras", "keras", "TocsinCallback", train_keras),
    Framework("accelerate", "accelerate", "TocsinTracker", train_accelerate),
)
