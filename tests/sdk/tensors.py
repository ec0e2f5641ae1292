"""Stand-ins for what frameworks hand over."""

from __future__ import annotations

import threading


class Tensor:
    """Behaves like a torch scalar: part of a graph until it is detached, changed in place, read by a sync."""

    def __init__(self, value: float, *, graph: object = None) -> None:
        self.value = value
        self.graph = graph
        self.read_in: list[str] = []

    def detach(self) -> Tensor:
        cut = Tensor(self.value)
        cut.read_in = self.read_in
        return cut

    def clone(self) -> Tensor:
        return self.detach()

    def __float__(self) -> float:
        self.read_in.append(threading.current_thread().name)
        return self.value


class JaxArray:
    """Has no detach and never changes."""

    def __init__(self, value: float) -> None:
        self.value = value

    def block_until_ready(self) -> JaxArray:
        return self

    def __float__(self) -> float:
        return self.value


class Vector:
    """A tensor of many elements, which is not one number."""

    def detach(self) -> Vector:
        return self

    def __float__(self) -> float:
        raise RuntimeError("a Tensor with 3 elements cannot be converted to Scalar")
