"""One training of a framework's trainer, from what its hooks tell to a TrainingMonitor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import wraps
from types import TracebackType
from typing import Any, Final, Self, TypedDict, TypeVar, cast

from tocsin.sdk.guard import Guard
from tocsin.sdk.health.settings import HealthSettings
from tocsin.sdk.training import TrainingMonitor

MOST_RATES: Final = 8
"""Learning rates of one training that are told; some recipes give each layer its own."""

_MOST_DEPTH: Final = 4
"""How deep in a batch its tensors are looked for."""

_TOKENS: Final = "input_ids"

HookT = TypeVar("HookT", bound=Callable[..., None])


class MonitorOptions(TypedDict, total=False):
    """Arguments of :class:`tocsin.TrainingMonitor` that every callback takes as well."""

    labels: Mapping[str, str] | None
    url: str | None
    port: int | None
    health: HealthSettings | None
    flops_per_step: float | None
    peak_flops: float | None
    price_per_hour: float | None


class TrainerRun:
    """Opens a monitor when a training begins, closes it when it ends; in between it may be told anything.

    Nothing is opened before :meth:`begin`, so that a callback can be copied, pickled and sent to the
    processes that train. What is told while no training goes on is ignored.

    Raises TypeError for an option that there is not.
    """

    def __init__(self, who: str, name: str | None, options: MonitorOptions) -> None:
        if unknown := sorted(options.keys() - MonitorOptions.__annotations__.keys()):
            allowed = ", ".join(MonitorOptions.__annotations__)
            raise TypeError(f'there is no option "{unknown[0]}" (there are {allowed})')
        self.guard = Guard(who)
        self.monitor: TrainingMonitor | None = None
        self._name, self._options = name, options
        self._part = ExitStack()
        self._validation = ExitStack()
        self._is_validating = False

    def __getstate__(self) -> tuple[str, str | None, MonitorOptions]:
        return self.guard.who, self._name, self._options

    def __setstate__(self, state: tuple[str, str | None, MonitorOptions]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def begin(
        self,
        name: str,
        total_steps: int | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """A training begins, called ``name`` where the user gave none; one that is open still has failed."""
        self.end(is_failed=True)
        several = {"rank": rank, "world_size": world_size} if world_size > 1 else {}
        total_steps = total_steps if total_steps and total_steps > 0 else None
        self.monitor = TrainingMonitor(self._name or name, total_steps, **several, **self._options)
        self.monitor.__enter__()

    def step(self, number: int | None, values: Mapping[str, Any]) -> None:
        """A step was taken; values that are None are left out."""
        if self.monitor is not None:
            self.monitor.step(number, **told(values))

    def part(self, name: str | None) -> None:
        """From now on time counts for this part of a step, until the next call."""
        self._part.close()
        if self.monitor is not None and name is not None:
            self._part.enter_context(self.monitor.part(name))

    def begin_validation(self) -> None:
        """From now on no steps are expected; may be said again."""
        if self.monitor is not None and not self._is_validating:
            self.part(None)
            self._is_validating = True
            self._validation.enter_context(self.monitor.validation())

    def end_validation(self) -> None:
        """Steps are expected again; may be said again."""
        self._is_validating = False
        self._validation.close()

    def evaluate(self, number: int | None, values: Mapping[str, Any]) -> None:
        """A validation gave these values."""
        if self.monitor is not None and values:
            self.monitor.evaluate(number, **told(values))

    def checkpoint(self, path: str | os.PathLike[str], number: int | None) -> None:
        """A checkpoint was saved."""
        if self.monitor is not None:
            self.monitor.checkpoint(path, step=number)

    def end(self, *, is_failed: bool = False) -> None:
        """The training ended."""
        monitor, self.monitor = self.monitor, None
        if monitor is not None:
            self._part.close()
            self.end_validation()
            monitor.__exit__(Exception if is_failed else None, None, None)


def guarded(hook: HookT) -> HookT:
    """A hook of a callback that has a ``_run``; its faults are told once and never reach the training."""

    @wraps(hook)
    def inner(self: Any, *args: Any, **kwargs: Any) -> None:
        with self._run.guard:
            hook(self, *args, **kwargs)

    return cast("HookT", inner)


class FailsWithBlock:
    """A callback at the end of whose ``with`` block a training that goes on still has failed.

    For frameworks that do not tell callbacks about exceptions.
    """

    _run: TrainerRun

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._run.guard:
            self._run.end(is_failed=True)


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that are there.

    Of a tensor that is spread over devices the part on this one is taken: reading the whole would make all
    processes wait for each other.

    >>> told({"loss": 0.5, "grad_norm": None})
    {'loss': 0.5}
    """
    return {
        name: value.to_local() if hasattr(value, "to_local") else value
        for name, value in values.items()
        if value is not None
    }


def numbers(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a framework logs, without its texts.

    >>> numbers({"loss": 0.5, "note": "warm-up", "done": None})
    {'loss': 0.5}
    """
    return {
        str(name): value
        for name, value in (values or {}).items()
        if value is not None and not isinstance(value, str | bytes)
    }


def learning_rates(optimizers: Iterable[Any]) -> dict[str, Any]:
    """The rates of all parameter groups of PyTorch optimisers: ``learning_rate``, ``learning_rate_2``, …."""
    rates: dict[str, Any] = {}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if len(rates) >= MOST_RATES:
                return rates
            rates[numbered("learning_rate", len(rates))] = group["lr"]
    return rates


def numbered(name: str, index: int) -> str:
    """The name of the first, second, … of several values.

    >>> [numbered("grad_norm", index) for index in range(2)]
    ['grad_norm', 'grad_norm_2']
    """
    return name if index == 0 else f"{name}_{index + 1}"


def sizes_of(batch: Any) -> dict[str, int]:
    """How many samples a batch has, and how many tokens where it has ``input_ids``, padding included.

    Samples are the first dimension of the first array in it. Only shapes are looked at.
    """
    if (shape := _first_shape(batch, _MOST_DEPTH)) is None:
        return {}
    sizes = {"samples": int(shape[0])}
    if isinstance(batch, Mapping) and (tokens := _shape(batch.get(_TOKENS))) is not None:
        sizes["tokens"] = 1
        for length in tokens:
            sizes["tokens"] *= int(length)
    return sizes


def _first_shape(batch: Any, depth: int) -> tuple[int, ...] | None:
    if (shape := _shape(batch)) is not None:
        return shape
    if depth == 0 or isinstance(batch, str | bytes):
        return None
    inside = (
        batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    )
    found = (_first_shape(item, depth - 1) for item in inside)
    return next((shape for shape in found if shape is not None), None)


def _shape(value: Any) -> tuple[int, ...] | None:
    shape = getattr(value, "shape", None)
    return tuple(shape) if isinstance(shape, tuple) and shape else None
