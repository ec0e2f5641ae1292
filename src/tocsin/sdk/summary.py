"""What is printed at the end of a run that no server has seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.sdk.course import Loss
from tocsin.sdk.outlets.flags import is_off

VARIABLE: Final = "TOCSIN_SUMMARY"
_MOST_VALUES: Final = 8
_LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run went.

    ``later`` is the command that imports what was written of it, where it was written.

    >>> print(Summary("digits", "complete", 200, 100.0, losses={"loss": Loss(2.3, 0.25, 0.125)}), end="")
    tocsin | digits | complete
      steps     200 in 1 min 40 s, 2 a second
      loss      first 2.3, last 0.25, best 0.125
      no tocsin took it: start one with `tocsin up`, or keep runs with TOCSIN_OFFLINE=1
    """

    name: str
    status: str
    steps: int
    duration_s: float
    total_steps: float | None = None
    losses: Mapping[str, Loss] = field(default_factory=dict)
    newest: Mapping[str, float] = field(default_factory=dict)
    health_events: Mapping[str, int] = field(default_factory=dict)
    later: str | None = None

    def __str__(self) -> str:
        """A block of lines, each with its end."""
        return "".join(f"{line}\n" for line in self._lines())

    def show(self) -> None:
        """Print it on the standard error, where there is one."""
        if sys.stderr is not None:
            sys.stderr.write(str(self))
            sys.stderr.flush()

    def _lines(self) -> Iterator[str]:
        yield " | ".join(("tocsin", _one_line(self.name), self.status))
        yield _row("steps", self._pace())
        for name, loss in self.losses.items():
            words = (("first", loss.first), ("last", loss.last), ("best", loss.best))
            yield _row(name, ", ".join(f"{word} {value:.4g}" for word, value in words))
        if values := {name: value for name, value in self.newest.items() if name not in self.losses}:
            yield _row("last", _some(f"{_one_line(name)} {value:.4g}" for name, value in values.items()))
        if events := {check: count for check, count in self.health_events.items() if count}:
            yield _row("health", _some(f"{check} ({count} x)" for check, count in events.items()))
        if self.later is None:
            yield "  no tocsin took it: start one with `tocsin up`, or keep runs with TOCSIN_OFFLINE=1"
        else:
            yield _row("kept", self.later)

    def _pace(self) -> str:
        of = "" if self.total_steps is None else f" of {self.total_steps:,.0f}"
        pace = f", {self.steps / self.duration_s:.3g} a second" if self.duration_s > 0 else ""
        return f"{self.steps:,}{of} in {duration_text(self.duration_s)}{pace}"


def is_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether summaries are printed: unless ``TOCSIN_SUMMARY=0``."""
    return not is_off(environ.get(VARIABLE) or "1")


def duration_text(duration_s: float) -> str:
    """A length of time, in its two largest units.

    >>> [duration_text(seconds) for seconds in (0.25, 59, 61, 7325, 200_000)]
    ['0.25 s', '59 s', '1 min 1 s', '2 h 2 min', '2 d 7 h']
    """
    if duration_s < 10:
        return f"{duration_s:.2g} s"
    seconds = round(duration_s)
    for (large, large_s), (small, small_s) in ((("d", 86400), ("h", 3600)), (("h", 3600), ("min", 60))):
        if seconds >= large_s:
            return f"{seconds // large_s} {large} {seconds % large_s // small_s} {small}"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _row(head: str, text: str) -> str:
    return f"  {head:<9} {text}"


def _some(parts: Iterator[str]) -> str:
    texts = list(parts)
    more = len(texts) - _MOST_VALUES
    return ", ".join([*texts[:_MOST_VALUES], *([f"{more} more"] if more > 0 else [])])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_NAME]
