"""Lightning: a callback that watches every training of a Trainer.

For Lightning 2, as ``lightning`` or ``pytorch_lightning``: the callback is one of whichever is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Unpack

from tocsin.integrations._trainer_run import (
    MonitorOptions,
    TrainerRun,
    guarded,
    learning_rates,
    numbered,
    sizes_of,
)

PACKAGES: Final = ("lightning.pytorch", "pytorch_lightning")
"""Two packages with the same classes, which are not instances of each other's."""

_FITTING: Final = "fit"
_FOREIGN: Final = "_tocsin_foreign"
_SHARDED: Final = ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy")
"""Strategies under which a process has only a part of each gradient."""


def __getattr__(name: str) -> Any:
    if name == "TocsinCallback":
        return _callback()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _callback() -> type:
    """The class, made when it is asked for, after the user has chosen a package by importing it."""
    imported = [package for package in PACKAGES if sys.modules.get(package)]
    installed = [package for package in PACKAGES if find_spec(package.partition(".")[0]) is not None]
    if not installed:
        raise ModuleNotFoundError(
            "tocsin.integrations.lightning needs Lightning: pip install lightning", name="lightning"
        )
    bases = [import_module(f"{package}.callbacks").Callback for package in imported or installed[:1]]
    described = {"__doc__": _Hooks.__doc__, "__module__": __name__, "__init__": _Hooks.__init__}
    return type("TocsinCallback", (_Hooks, *bases), described)


class _Hooks:
    """Watches what ``trainer.fit`` does; nothing it does raises into the training or waits for a device.

    Each optimiser step is told with its number, loss (the mean of its micro-batches), learning rates, epoch,
    samples and, in batches with ``input_ids``, tokens; then validations, checkpoints, and how it ends.

    ``name`` names the run, by default after the class of the module. The norm of the gradients, before they
    are clipped, is taken at every ``gradient_norm_every``-th step; 0 is never. The other arguments are those
    of :class:`tocsin.TrainingMonitor`, which stands in the attribute ``monitor`` while the training lasts.

    >>> trainer = Trainer(callbacks=[TocsinCallback("resnet50")])  # doctest: +SKIP
    >>> trainer.fit(model, loader)  # doctest: +SKIP
    """

    def __init__(
        self, name: str | None = None, *, gradient_norm_every: int = 10, **options: Unpack[MonitorOptions]
    ) -> None:
        self._run = TrainerRun("Lightning callback", name, options)
        self._norm_every = gradient_norm_every
        self._forget()

    def _forget(self) -> None:
        self._step = 0
        self._steps_seen = 0
        self._loss = _Mean()
        self._sizes: dict[str, int] = {}
        self._values: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._unwatch: Callable[[], None] | None = None

    @property
    def monitor(self) -> Any:
        """The monitor while a training lasts, for what only the program knows, else None."""
        return self._run.monitor

    # A training begins and ends.

    @guarded
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Called by Lightning, as all that follows."""
        self._forget()
        self._begin(trainer, pl_module, _total_steps(trainer, pl_module))
        self._step = trainer.global_step
        self._unwatch = _watch_checkpoints(trainer, self._saved)
        self._run.part("data")

    @guarded
    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        self._end(is_failed=False)

    @guarded
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if self._run.monitor is None and trainer.state.fn == _FITTING:  # it failed before its first step
            self._begin(trainer, pl_module, None)
        self._end(is_failed=True)

    def _begin(self, trainer: Any, pl_module: Any, total_steps: int | None) -> None:
        self._run.begin(
            type(pl_module).__name__, total_steps, rank=trainer.global_rank, world_size=trainer.world_size
        )

    def _end(self, *, is_failed: bool) -> None:
        if self._unwatch is not None:
            self._unwatch()
        self._forget()
        self._run.end(is_failed=is_failed)

    # Steps.

    @guarded
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._run.part("forward_backward")

    @guarded
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if pl_module.automatic_optimization:
            self._run.part("optimizer")
        self._values |= learning_rates(trainer.optimizers)
        if self._norm_every > 0 and self._steps_seen % self._norm_every == 0:
            place = next((i for i, each in enumerate(trainer.optimizers) if each is optimizer), 0)
            self._values[numbered("grad_norm", place)] = _gradient_norm(trainer, optimizer)

    @guarded
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        is_automatic = pl_module.automatic_optimization
        # Lightning has divided the loss of a micro-batch by their number, where it accumulates itself.
        self._loss.add(_loss(outputs), trainer.accumulate_grad_batches if is_automatic else 1)
        for name, size in sizes_of(batch).items():
            self._sizes[name] = self._sizes.get(name, 0) + size
        number = trainer.global_step
        is_uncounted = number == 0 and not is_automatic  # optimisers that Lightning does not see
        if number != self._step or is_uncounted:
            self._step = number
            self._steps_seen += 1
            values = {"loss": self._loss.value(), "epoch": trainer.current_epoch}
            self._run.step(None if is_uncounted else number, values | self._values | self._sizes)
            self._loss, self._values, self._sizes = _Mean(), {}, {}
        self._run.part("data")

    # Validations and checkpoints.

    @guarded
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._run.begin_validation()
            self._before = dict(trainer.callback_metrics)

    @guarded
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        # What was measured before stays in there; what this validation has measured are other tensors.
        metrics = trainer.callback_metrics.items()
        fresh = {name: value for name, value in metrics if value is not self._before.get(name)}
        self._before = {}
        self._run.evaluate(trainer.global_step, fresh)
        self._run.end_validation()
        self._run.part("data")

    def _saved(self, trainer: Any, path: Any, save: Callable[[], None]) -> None:
        with self._run.guard:
            self._run.part("checkpoint")
        save()
        with self._run.guard:
            if trainer.is_global_zero:
                self._run.checkpoint(path, trainer.global_step)
            self._run.part("data")


class _Mean:
    """The mean of losses, computed where they are."""

    def __init__(self) -> None:
        self._sum: Any = None
        self._count = 0

    def add(self, loss: Any, factor: int) -> None:
        if loss is None:
            return
        whole = loss.detach() * factor if factor != 1 and hasattr(loss, "detach") else loss
        self._sum = whole if self._sum is None else self._sum + whole
        self._count += 1

    def value(self) -> Any:
        return self._sum / self._count if self._count > 1 else self._sum


def _loss(outputs: Any) -> Any:
    return outputs.get("loss") if isinstance(outputs, dict) else outputs


def _total_steps(trainer: Any, pl_module: Any) -> int | None:
    """How many there will be; several optimisers count several steps a batch, which nobody can foretell."""
    total = trainer.estimated_stepping_batches if pl_module.automatic_optimization else trainer.max_steps
    return int(total) if 0 < total < float("inf") else None


def _gradient_norm(trainer: Any, optimizer: Any) -> Any:
    """The norm of all gradients, as a tensor; None where this process does not have them as they are.

    That is where they are sharded, and where they are scaled for 16 bits, so that infinities are usual.
    """
    import torch  # noqa: PLC0415 - this file can be imported without it

    if type(trainer.strategy).__name__ in _SHARDED or getattr(trainer.precision_plugin, "scaler", None):
        return None
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    gradients = [each.grad for each in parameters if each.grad is not None]
    if not gradients or any(_is_unusual(gradient, torch) for gradient in gradients):
        return None
    if hasattr(torch.nn.utils, "get_total_norm"):  # since PyTorch 2.6
        return torch.nn.utils.get_total_norm(gradients)
    return torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]).norm()


def _is_unusual(gradient: Any, torch: Any) -> bool:
    return type(gradient) is not torch.Tensor or gradient.is_sparse or gradient.dtype == torch.float16


def _watch_checkpoints(
    trainer: Any, saved: Callable[[Any, Any, Callable[[], None]], None]
) -> Callable[[], None]:
    """Have every checkpoint of a trainer told, wherever it comes from; what is returned ends that.

    Lightning's hook for checkpoints is called before they are written, and does not say where.
    """
    original = trainer.save_checkpoint
    own = vars(trainer).get("save_checkpoint")
    foreign = getattr(own, _FOREIGN, own)  # what another callback like this one has found

    @wraps(original)
    def save_checkpoint(filepath: Any, *args: Any, **kwargs: Any) -> None:
        saved(trainer, filepath, lambda: original(filepath, *args, **kwargs))

    def unwatch() -> None:
        if foreign is not None:
            trainer.save_checkpoint = foreign
        else:
            vars(trainer).pop("save_checkpoint", None)

    setattr(save_checkpoint, _FOREIGN, foreign)
    trainer.save_checkpoint = save_checkpoint
    return unwatch
