"""From findings at single steps to verdicts: when a check turns bad, and when good again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tocsin.sdk.health.detector import Finding

HOLD_NS: Final = 15_000_000_000
"""A check stays bad for so long after its last finding, so that a scrape sees a spike of a single step."""


_TOLD_EVERY_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check has turned bad, or good again (then ``finding`` is the last one)."""

    check: str
    time_ns: int
    step: int
    value_name: str
    finding: Finding
    is_bad: bool


class CheckState:
    """Whether one check is bad, and how often it turned so.

    Of several events in a second only the first is a verdict, so that no log is flooded; all are counted.
    Steps that are wrong one after another are one event. Another begins only after a step at which
    nothing was wrong.
    """

    def __init__(self, check: str, value_name: str) -> None:
        self.check = check
        self.value_name = value_name
        self.events = 0
        self.is_bad = False
        self._was_found = False
        self._told_ns: int | None = None
        self._last: tuple[int, int, Finding] | None = None

    def found(self, time_ns: int, step: int, finding: Finding | None) -> Verdict | None:
        """Take what a detector said of a step; returns a verdict when an event begins."""
        begins = finding is not None and not self._was_found
        self._was_found = finding is not None
        if finding is None:
            return None
        self._last = (time_ns, step, finding)
        self.is_bad = True
        if not begins:
            return None
        self.events += 1
        if self._told_ns is not None and 0 <= time_ns - self._told_ns < _TOLD_EVERY_NS:
            return None
        self._told_ns = time_ns
        return Verdict(self.check, time_ns, step, self.value_name, finding, is_bad=True)

    def settle(self, now_ns: int) -> Verdict | None:
        """Let time pass; returns a verdict when the check is good again."""
        if not self.is_bad or self._was_found or self._last is None:
            return None
        time_ns, step, finding = self._last
        if now_ns - time_ns < HOLD_NS:
            return None
        self.is_bad = False
        return Verdict(self.check, now_ns, step, self.value_name, finding, is_bad=False)
