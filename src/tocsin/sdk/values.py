"""What a training step may hand over as a value, and how it becomes a float."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tocsin.sdk.guard import Guard


class Deferred:
    """A tensor that becomes a float later, in the sender's thread.

    Reading it at once could make the training wait for its accelerator. It is cut off from
    autograd and copied, so that it keeps no graph alive and later changes in place do not count.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def settle(values: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    """Turn numbers other than float and int into floats or Deferred; what is no number is told once."""
    settled: dict[str, Any] = {}
    for name, value in values.items():
        if type(value) is float or type(value) is int:
            settled[name] = value
        else:
            with around_value(guard, name, value):
                settled[name] = _settled(value)
    return settled


def resolve(values: Mapping[str, Any], guard: Guard) -> dict[str, float]:
    """Read the values that were deferred; what has no single number is left out and told once."""
    resolved: dict[str, float] = {}
    for name, value in values.items():
        if type(value) is Deferred:
            with around_value(guard, name, value.tensor):
                resolved[name] = float(value.tensor)
        else:
            resolved[name] = value
    return resolved


def around_value(guard: Guard, name: str, value: Any) -> _AroundValue:
    """The block in which an exception means that the value is no number."""
    return _AroundValue(guard, name, value)


class _AroundValue:
    """Writes its sentence only when there is an exception: it is entered for each value of each step."""

    __slots__ = ("_guard", "_name", "_value")

    def __init__(self, guard: Guard, name: str, value: Any) -> None:
        self._guard = guard
        self._name = name
        self._value = value

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if fault is None:
            return False
        sentence = f'value "{self._name}" of type {type(self._value).__name__} is not a number'
        return self._guard.swallow(fault, f"value {self._name}", sentence)


def _settled(value: Any) -> float | Deferred:
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("text is not read as a number")
    if getattr(value, "is_cpu", False):  # a tensor of PyTorch that no accelerator has to finish first
        return float(value.item())
    if hasattr(value, "detach"):
        cut = value.detach()
        return Deferred(cut.clone() if hasattr(cut, "clone") else cut)
    if hasattr(value, "block_until_ready"):  # JAX, whose arrays never change
        return Deferred(value)
    return float(value.item() if hasattr(value, "item") else value)  # NumPy: any array of one element
