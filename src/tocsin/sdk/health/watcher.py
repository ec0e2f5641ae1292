"""All detectors of a run: steps go in, verdicts and the state of each check come out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import inf, nan
from typing import Final

from tocsin.sdk.columns import Columns
from tocsin.sdk.health.checks import GRADIENT, LOSS, detectors, patience_steps
from tocsin.sdk.health.detector import Detector, Finding
from tocsin.sdk.health.evaluations import Evaluations
from tocsin.sdk.health.sampling import Budget, outstanding
from tocsin.sdk.health.settings import HealthSettings
from tocsin.sdk.health.stall import Stall
from tocsin.sdk.health.throughput import ThroughputDrop
from tocsin.sdk.health.verdicts import CheckState, Verdict

_SEEN_ALWAYS: Final = (*LOSS, *GRADIENT)
"""Values of which every single step counts, however fast the steps are."""

_MOST_VERDICTS: Final = 1000
_NS_PER_S: Final = 1e9


class Watcher:
    """Feeds the detectors and keeps what they found; only :meth:`verdicts` is for any thread.

    Up to 100 steps a second each detector takes every step. Beyond that it takes as many, evenly spread,
    and every step whose loss or gradient norm is not finite or above what is usual, so that no spike is
    missed.
    """

    def __init__(self, settings: HealthSettings, total_steps: float | None = None) -> None:
        self._watched: list[tuple[tuple[str, ...], Detector, CheckState]] = [
            (names, detector, CheckState(detector.check, names[0]))
            for names, detector in detectors(settings, total_steps)
            if detector.check not in settings.off
        ]
        self._stall = Stall(factor=settings.stall_factor, least_s=settings.stall_least_s)
        self._throughput = ThroughputDrop(factor=settings.throughput_factor)
        self._evaluations = Evaluations(patience_steps(settings, total_steps), settings.plateau_most_gain)
        whole = ((Stall, "steps"), (ThroughputDrop, "steps"), (Evaluations, "validation"))
        self._states = {
            kind.check: CheckState(kind.check, name) for kind, name in whole if kind.check not in settings.off
        }
        self._budget = Budget()
        self._verdicts: deque[Verdict] = deque(maxlen=_MOST_VERDICTS)
        self._taken = 0
        self._last_ns: int | None = None
        self._last_step = 0
        self._last_count = 0

    def take(self, columns: Columns) -> None:
        """Look at steps, in their order, whose values are plain numbers."""
        steps = columns.steps
        if not steps:
            return
        stride = self._budget.stride(len(steps), steps[0][0], steps[-1][0])
        chosen = set(range(stride - 1, len(steps), stride))
        if stride > 1:
            for name in _SEEN_ALWAYS:
                column = columns[name]
                if column is not None:
                    chosen.update(outstanding(column, self._ceiling(name)))
        for index in sorted(chosen):
            self._look_at(*steps[index])
            self._take_time(steps[index][0], steps[index][1], self._taken + index + 1)
        self._taken += len(steps)

    def take_evaluation(self, time_ns: int, step: int, values: Mapping[str, float]) -> None:
        """Look at what was measured beside the steps."""
        finding = self._evaluations.observe(step, {name: _plain(value) for name, value in values.items()})
        self._note(Evaluations.check, time_ns, step, finding)

    def pause(self) -> None:
        """The training does something else on purpose, such as validation; its time counts for nothing."""
        self._last_ns = None

    def resume(self, now_ns: int) -> None:
        """It goes on with steps."""
        if self._taken:
            self._last_ns, self._last_count = now_ns, self._taken

    def tick(self, now_ns: int) -> None:
        """Let time pass without a step."""
        if self._last_ns is not None:
            finding = self._stall.overdue((now_ns - self._last_ns) / _NS_PER_S)
            self._note(Stall.check, now_ns, self._last_step, finding)
        for state in self._all_states():
            self._tell(state.settle(now_ns))

    def verdicts(self) -> list[Verdict]:
        """Remove and return what nobody was told yet; any thread may ask."""
        return [self._verdicts.popleft() for _ in range(len(self._verdicts))]

    def checks(self) -> dict[str, tuple[bool, int]]:
        """Of each check whether it is bad, and how many events it had."""
        found: dict[str, tuple[bool, int]] = {}
        for state in self._all_states():
            is_bad, events = found.get(state.check, (False, 0))
            found[state.check] = (is_bad or state.is_bad, events + state.events)
        return found

    def _look_at(self, time_ns: int, step: int, values: Mapping[str, float]) -> None:
        for names, detector, state in self._watched:
            for name in names:
                if name in values:
                    finding = detector.observe(step, _plain(values[name]))
                    self._tell(state.found(time_ns, step, finding))
                    break
        if self._evaluations.are_in(values):
            self.take_evaluation(time_ns, step, values)

    def _take_time(self, time_ns: int, step: int, count: int) -> None:
        if self._last_ns is not None and time_ns >= self._last_ns and count > self._last_count:
            duration_s = (time_ns - self._last_ns) / _NS_PER_S / (count - self._last_count)
            self._stall.observe(step, duration_s)
            self._note(ThroughputDrop.check, time_ns, step, self._throughput.observe(step, duration_s))
        self._note(Stall.check, time_ns, step, None)
        self._last_ns, self._last_step, self._last_count = time_ns, step, count

    def _note(self, check: str, time_ns: int, step: int, finding: Finding | None) -> None:
        if check in self._states:
            self._tell(self._states[check].found(time_ns, step, finding))

    def _tell(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            self._verdicts.append(verdict)

    def _ceiling(self, name: str) -> float:
        return min((detector.ceiling for names, detector, _ in self._watched if name in names), default=inf)

    def _all_states(self) -> Iterable[CheckState]:
        yield from (state for _, _, state in self._watched)
        yield from self._states.values()


def _plain(value: float) -> float:
    """A float; an integer beyond all floats is none, and NaN stands for it."""
    try:
        return float(value)
    except OverflowError:
        return nan
