"""What is true of a monitor at this moment: whether it is up, what is under way, what waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tocsin.sdk.guard import Guard
from tocsin.sdk.inference.beginnings import Beginnings
from tocsin.sdk.inference.genai import TOKEN_TYPE, TOKEN_USAGE, aliases, attributes_of
from tocsin.sdk.readings import Reading

if TYPE_CHECKING:
    from tocsin.sdk.inference.ledger import Ledger
    from tocsin.sdk.inference.request import Request


class State:
    """Changed by requests in any thread: sets, which need no lock, rather than counts, which would."""

    def __init__(
        self,
        model: str,
        gen_ai: bool | Mapping[str, str],  # noqa: FBT001 - as it was given
        queue_capacity: int | None,
        guard: Guard,
    ) -> None:
        self._attributes: tuple[tuple[str, str], ...] = ()
        with guard.around("gen_ai", "names of OpenTelemetry are left out"):
            self._attributes = tuple(attributes_of(gen_ai, model).items()) if gen_ai else ()
        self._guard = guard
        self._capacity = self._number(queue_capacity)
        self.renew()

    def renew(self) -> None:
        """Forget everything, at the beginning and in a forked child."""
        self.is_up = False
        self.started_s = 0.0
        self.in_flight: set[Request] = set()
        self.beginnings = Beginnings()
        self._waiting: set[Request] = set()
        self._has_queue = False
        self._length: float | None = None

    def queue(self, length: Any, capacity: Any) -> None:
        """Take the length of a queue, and how long it may be where that is known."""
        self._length = self._number(length)
        if capacity is not None:
            self._capacity = self._number(capacity)

    def waits(self, request: Request, *, is_waiting: bool) -> None:
        """A request has joined the queue or left it."""
        self._has_queue = True
        if is_waiting:
            self._waiting.add(request)
        else:
            self._waiting.discard(request)

    def now(self) -> dict[str, float]:
        """Requests that are under way, and those that wait where that is known."""
        known = {"requests_in_flight": float(len(self.in_flight))}
        if self._has_queue or self._length is not None:
            known["queue_length"] = (self._length or 0.0) + len(self._waiting)
        return known

    def complete(self, readings: list[Reading], ledger: Ledger) -> list[Reading]:
        """What was counted, with what is true now, and under OpenTelemetry's names where that is wanted."""
        added: list[Reading] = list(self._readings())
        if self._attributes:
            usage = ledger.token_readings(TOKEN_USAGE, TOKEN_TYPE)
            added += aliases(readings, self._attributes)
            added += [Reading(name, value, (*self._attributes, *own)) for name, value, own in usage]
        return readings + added

    def _readings(self) -> Iterator[Reading]:
        yield Reading("inference_up", float(self.is_up))
        yield Reading("inference_start_time_seconds", self.started_s)
        for name, value in self.now().items():
            yield Reading(f"inference_{name}", value)
        if self._capacity is not None:
            yield Reading("inference_queue_capacity", self._capacity)

    def _number(self, value: Any) -> float | None:
        with self._guard.around("queue", "the length or capacity of the queue is not a number"):
            return None if value is None else float(value)
        return None
