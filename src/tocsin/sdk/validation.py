"""Validations: time in which a training takes no steps on purpose."""

from __future__ import annotations

from time import perf_counter, time_ns
from types import TracebackType

from tocsin.sdk.guard import Guard
from tocsin.sdk.parts import Parts
from tocsin.sdk.recorder import Recorder


class Validation:
    """A block that may be entered again, also inside itself; its time counts for the part ``validation``."""

    def __init__(self, recorder: Recorder, parts: Parts, guard: Guard) -> None:
        self._recorder = recorder
        self._parts = parts
        self._guard = guard
        self._depth = 0
        self._start_s = 0.0
        self.was_used = False

    @property
    def is_under_way(self) -> bool:
        """Whether a validation goes on now."""
        return self._depth > 0

    def __enter__(self) -> None:
        self.was_used = True
        self._depth += 1
        if self._depth == 1:
            self._start_s = perf_counter()
            with self._guard.around("validation", "the time of a validation counts as that of a step"):
                self._recorder.begin_validation()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._parts.add("validation", perf_counter() - self._start_s)
            with self._guard.around("validation", "the time of a validation counts as that of a step"):
                self._recorder.end_validation(time_ns())
