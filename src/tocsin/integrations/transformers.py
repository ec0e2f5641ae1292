"""Transformers: a callback that watches every training of a Trainer, those of TRL and the like among them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path, PurePath
from typing import Any, Final, Unpack

from tocsin.integrations._trainer_run import (
    FailsWithBlock,
    MonitorOptions,
    TrainerRun,
    guarded,
    numbers,
)
from tocsin.sdk.training import TrainingMonitor

try:
    from transformers import TrainerCallback
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tocsin.integrations.transformers needs Transformers with PyTorch: pip install 'transformers[torch]'"
        f" ({error.name} is missing)",
        name=error.name,
    ) from error

__all__ = ["TocsinCallback"]

_USUAL_FOLDER: Final = "trainer_output"
"""Where Transformers puts checkpoints if it is not told where; no name for a run."""

_EVALUATION: Final = "eval_"
_SUMMARY: Final = "train_samples_per_second"
"""A value that only the log line after a training has; the others in it are means over all of it."""

_NOT_MEASURED: Final = frozenset(
    {
        "epoch",
        "eval_runtime",
        "eval_samples_per_second",
        "eval_steps_per_second",
        "num_input_tokens_seen",
        "total_flos",
        "train_runtime",
        "train_tokens_per_second",
    }
)
"""What the Trainer logs beside what it measured; the monitor has its own."""


class TocsinCallback(FailsWithBlock, TrainerCallback):  # type: ignore[misc]  # Transformers may be missing
    """Watches what ``trainer.train()`` does; nothing it does raises into the training or waits for a device.

    Each optimiser step is told with its number, epoch, samples and, with ``include_num_input_tokens_seen``,
    tokens; loss, learning rate and gradient norm as often as the Trainer logs (``logging_steps``); then
    evaluations, checkpoints, and the end. Transformers tells callbacks about no exception: a training that
    ends by one is marked as failed when the program ends, when the next begins, or at the end of the
    callback's ``with`` block.

    ``name`` names the run, by default ``run_name``, else the folder of ``output_dir``, else the class of the
    model. The other arguments are those of :class:`tocsin.TrainingMonitor`, which stands in the attribute
    ``monitor`` while the training lasts.

    >>> with TocsinCallback("bert") as callback:  # doctest: +SKIP
    ...     Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
    """

    def __init__(self, name: str | None = None, **options: Unpack[MonitorOptions]) -> None:
        self._run = TrainerRun("Transformers callback", name, options)
        self._forget()

    def _forget(self) -> None:
        self._waiting: dict[str, Any] | None = None
        self._logged: dict[str, Any] = {}
        self._tokens = 0

    @property
    def monitor(self) -> TrainingMonitor | None:
        """The monitor while a training lasts, for what only the program knows, else None."""
        return self._run.monitor

    # A training begins and ends.

    @guarded
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by Transformers, as all that follows."""
        self._forget()
        self._tokens = _tokens_seen(state)
        self._run.begin(
            _name(args, kwargs.get("model")),
            state.max_steps,
            rank=args.process_index,
            world_size=args.world_size,
        )
        self._run.part("data")

    @guarded
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The last step was taken, or the training was told to stop."""
        if self._waiting is not None or self._logged:
            self._tell(state)
        self._run.end()

    # Steps.

    @guarded
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The batches of a step are there."""
        if self._waiting is not None:  # a log line that did not come
            self._tell(state)
        self._run.end_validation()
        self._run.part("forward_backward")

    @guarded
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The gradients are there."""
        self._run.part("optimizer")

    @guarded
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step was taken."""
        self._waiting = {
            "epoch": state.epoch,
            "samples": args.train_batch_size * args.gradient_accumulation_steps,
        }
        seen = _tokens_seen(state)
        if seen > self._tokens and state.is_world_process_zero:  # they are those of all processes
            self._waiting["tokens"] = seen - self._tokens
        self._tokens = seen
        self._run.part(None)
        if not control.should_log:  # else its loss comes at once
            self._tell(state)
            self._go_on(control)

    @guarded
    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Means since the last log line, or what an evaluation gave, or the summary at the end."""
        values = _measured(logs)
        if _SUMMARY in values or any(name.startswith(_EVALUATION) for name in values):
            return
        norm = values.get("grad_norm")
        if args.fp16 and norm is not None and not isfinite(norm):
            del values["grad_norm"]  # usual while the scale for 16 bits is looked for; that step is left out
        self._logged |= values
        if self._waiting is not None:
            self._tell(state)
            self._go_on(control)

    def _tell(self, state: Any) -> None:
        values = {**self._logged, **(self._waiting or {})}
        self._waiting, self._logged = None, {}
        self._run.step(state.global_step, values)

    # Between steps.

    def _go_on(self, control: Any) -> None:
        """What the Trainer does next: evaluate, save, or fetch data."""
        if control.should_evaluate:
            self._run.begin_validation()
        else:
            self._run.end_validation()
            self._run.part("checkpoint" if control.should_save else "data")

    @guarded
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An epoch is over."""
        self._go_on(control)

    @guarded
    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A batch of an evaluation was computed."""
        self._run.begin_validation()

    @guarded
    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """An evaluation is over."""
        values = _measured(metrics).items()
        self._run.evaluate(
            state.global_step, {name.removeprefix(_EVALUATION): value for name, value in values}
        )
        self._go_on(control)

    @guarded
    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any, **kwargs: Any) -> None:
        """A prediction is over."""
        self._go_on(control)

    @guarded
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint was saved."""
        if state.is_world_process_zero:
            self._run.checkpoint(_checkpoint(args, state), state.global_step)
        self._go_on(control)


def _name(args: Any, model: Any) -> str:
    if args.run_name and args.run_name != args.output_dir:
        return str(args.run_name)
    folder = PurePath(args.output_dir or "").name
    return folder if folder and folder != _USUAL_FOLDER else type(model).__name__


def _measured(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in numbers(logs).items() if name not in _NOT_MEASURED}


def _tokens_seen(state: Any) -> int:
    return int(getattr(state, "num_input_tokens_seen", 0) or 0)


def _checkpoint(args: Any, state: Any) -> Path:
    """The folder it was saved in; a search for hyperparameters has one more in between."""
    name = f"checkpoint-{state.global_step}"
    folder = Path(args.output_dir)
    if getattr(state, "trial_name", None) and not (folder / name).exists():
        return next(iter(folder.glob(f"run-*/{name}")), folder / name)
    return folder / name
