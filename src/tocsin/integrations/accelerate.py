"""Accelerate: a tracker that takes what a training loop gives to ``accelerator.log``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, Self, Unpack

from tocsin.integrations._trainer_run import MonitorOptions, TrainerRun, guarded, numbers
from tocsin.sdk.training import TrainingMonitor

try:
    from accelerate import PartialState
    from accelerate.tracking import GeneralTracker, on_main_process
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"tocsin.integrations.accelerate needs Accelerate: pip install accelerate ({error.name} is missing)",
        name=error.name,
    ) from error

__all__ = ["TocsinTracker"]

_VALIDATION: Final = ("val", "eval", "test")
_TOTAL_STEPS: Final = ("total_steps", "max_train_steps", "max_steps", "num_training_steps")
"""Where configurations say how many steps there will be."""


class TocsinTracker(GeneralTracker):  # type: ignore[misc]  # Accelerate may be missing
    """Tells what is given to ``accelerator.log``; nothing it does raises into the training.

    One call of ``accelerator.log`` is a step; what is named ``val…``, ``eval…`` or ``test…`` is the result
    of a validation instead. ``accelerator.end_training()`` ends the run well; a program that ends without
    it, or an exception that leaves the tracker's ``with`` block, marks it as failed. Of several processes
    the first alone reports, as Accelerate asks no other's trackers.

    ``name`` names the run, by default after the script. ``total_steps`` says how many steps there will be;
    without it ``max_train_steps`` or the like is looked for in the configuration that ``init_trackers``
    is given. The other arguments are those of :class:`tocsin.TrainingMonitor`.

    >>> accelerator = Accelerator(log_with=TocsinTracker("resnet50"))  # doctest: +SKIP
    >>> accelerator.init_trackers("images", config={"max_train_steps": 1000})  # doctest: +SKIP
    >>> accelerator.log({"loss": loss}, step=1)  # doctest: +SKIP
    """

    name = "tocsin"
    requires_logging_directory = False

    def __init__(
        self, name: str | None = None, *, total_steps: int | None = None, **options: Unpack[MonitorOptions]
    ) -> None:
        super().__init__()
        self._run = TrainerRun("Accelerate tracker", name, options)
        self._total_steps = total_steps
        self._is_over = False

    @property
    def monitor(self) -> TrainingMonitor:
        """The monitor, for what only the program knows; one that does nothing where this does not report."""
        self._begin()
        return self._run.monitor or TrainingMonitor(_script(), health=None)

    @property
    def tracker(self) -> TrainingMonitor:
        """What ``accelerator.get_tracker("tocsin", unwrap=True)`` gives in the first process."""
        return self.monitor

    def start(self) -> None:
        """Called by ``accelerator.init_trackers``, in newer versions."""
        self._is_over = False

    @on_main_process  # type: ignore[untyped-decorator]
    @guarded
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Called by ``accelerator.init_trackers``."""
        self._is_over = False
        found = (values[name] for name in _TOTAL_STEPS if isinstance(values.get(name), int))
        if self._total_steps is None:
            self._total_steps = next(found, None)
        self._begin()

    @on_main_process  # type: ignore[untyped-decorator]
    @guarded
    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Called by ``accelerator.log``."""
        self._begin()
        told = numbers(values)
        measured = {name: value for name, value in told.items() if name.startswith(_VALIDATION)}
        taken = {name: value for name, value in told.items() if name not in measured}
        if taken or not measured:
            self._run.step(step, taken)
        self._run.evaluate(step, {_without_prefix(name): value for name, value in measured.items()})

    @on_main_process  # type: ignore[untyped-decorator]
    @guarded
    def finish(self) -> None:
        """Called by ``accelerator.end_training``."""
        self._is_over = True
        self._run.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._run.guard:
            self._is_over = True
            self._run.end(is_failed=kind is not None)

    def _begin(self) -> None:
        with self._run.guard:
            state = PartialState()
            if self._run.monitor is None and state.is_main_process and not self._is_over:
                self._run.begin(
                    _script(), self._total_steps, rank=state.process_index, world_size=state.num_processes
                )


def _script() -> str:
    return PurePath(sys.argv[0] if sys.argv else "").stem or "accelerate"


def _without_prefix(name: str) -> str:
    return name.removeprefix("eval_").removeprefix("eval/")
