"""How far a training has come, how fast it goes, when it will be done and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Final

from tocsin.sdk.columns import Columns
from tocsin.sdk.pace import Pace
from tocsin.sdk.rates import Rates
from tocsin.sdk.readings import Reading

COUNTED: Final = ("samples", "tokens")
"""Values of steps that are also summed up over all steps, those that are thinned out among them."""

_WHOLE_RUN_S: Final = 1800.0
"""The end is foretold from the pace of half an hour, in which validations and checkpoints count."""

_NS_PER_S: Final = 1e9
_S_PER_HOUR: Final = 3600.0


class Progress:
    """Takes steps in their order and tells what follows from them. Not for several threads at a time.

    >>> progress = Progress(total_steps=100)
    >>> progress.take(Columns([(1_000_000_000, 1, {"tokens": 512})]))
    >>> progress.take(Columns([(2_000_000_000, 2, {"tokens": 512})]))
    >>> [*progress.readings(2_000_000_000)][-1]
    Reading(name='training_eta_seconds', value=98.0, labels=())
    """

    def __init__(
        self, rates: Rates | None = None, total_steps: float | None = None, start_ns: int = 0
    ) -> None:
        self.start_ns = start_ns
        self._rates = rates or Rates()
        self.total_steps = total_steps
        self.taken = 0
        self._number: int | None = None
        self._last_ns = 0
        self._pace = Pace()
        self._long_pace = Pace(_WHOLE_RUN_S)
        self._totals: dict[str, float] = {}
        self._total_paces: dict[str, Pace] = {}

    @property
    def number(self) -> int | None:
        """The number of the newest step."""
        return self._number

    def take(self, columns: Columns) -> None:
        """Count steps, one at least, whose values are plain numbers."""
        self.taken += len(columns.steps)
        self._last_ns, self._number, _ = columns.steps[-1]
        self._pace.update(self.taken, self._last_ns)
        self._long_pace.update(self.taken, self._last_ns)
        for name in COUNTED:
            column = columns[name]
            if column is not None:
                self._totals[name] = self._totals.get(name, 0.0) + _sum(column.values)
            if name in self._totals:
                self._total_paces.setdefault(name, Pace()).update(self._totals[name], self._last_ns)

    def readings(self, now_ns: int) -> Iterator[Reading]:
        """The series that follow from the steps so far."""
        if self.total_steps is not None:
            yield Reading("training_total_steps", self.total_steps)
        for name, total in self._totals.items():
            yield Reading(f"training_{name}_total", total)
        pace = self._pace.per_second(now_ns)
        yield from self._cost(now_ns, pace)
        if pace is None:
            return
        yield Reading("training_steps_per_second", pace)
        yield from self._throughput(pace)
        yield from self._end(now_ns)

    def _throughput(self, pace: float) -> Iterator[Reading]:
        # Between steps these fall as the pace does: how many samples the next step will have is not known.
        slowing = pace / (self._pace.per_second(self._last_ns) or pace)
        for name, total_pace in self._total_paces.items():
            per_second = total_pace.per_second(self._last_ns)
            if per_second is not None:
                yield Reading(f"training_{name}_per_second", per_second * slowing)
        flops = self._rates.flops_per_step
        if flops is not None:
            yield Reading("training_flops_per_second", flops * pace)
            if self._rates.peak_flops is not None:
                yield Reading("training_flops_utilization_ratio", flops * pace / self._rates.peak_flops)

    def _cost(self, now_ns: int, pace: float | None) -> Iterator[Reading]:
        if self._rates.price_per_hour is not None:
            price_per_s = self._rates.price_per_hour / _S_PER_HOUR
            yield Reading("training_cost_total", price_per_s * max(0.0, (now_ns - self.start_ns) / _NS_PER_S))
            if pace is not None:
                yield Reading("training_cost_per_step", price_per_s / pace)

    def _end(self, now_ns: int) -> Iterator[Reading]:
        pace = self._long_pace.per_second(now_ns)
        if self.total_steps is not None and self._number is not None and pace is not None:
            yield Reading("training_eta_seconds", max(0.0, self.total_steps - self._number) / pace)


def _sum(values: Sequence[float]) -> float:
    """What can be no number of samples counts as nothing."""
    return sum(value for value in values if value > 0 and isfinite(value))
