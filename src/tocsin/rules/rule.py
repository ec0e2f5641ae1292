"""What recording and alerting rules have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from tocsin.model import Labels
from tocsin.rules.errors import RuleError
from tocsin.rules.template import Context

Samples: TypeAlias = dict[Labels, float]
"""What a rule writes: one value for each series."""


class Health(StrEnum):
    """Whether a rule's last evaluation succeeded."""

    UNKNOWN = "unknown"
    OK = "ok"
    ERROR = "err"


@dataclass(slots=True)
class RuleStatus:
    """How the last evaluation went."""

    health: Health = Health.UNKNOWN
    last_error: str = ""
    last_evaluation_ms: int | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a rule: at ``at_ms``, of data as they were ``query_offset_ms`` earlier.

    A rule that yields more than ``limit`` series or alerts has failed; 0 means no limit.
    """

    context: Context
    query_offset_ms: int = 0
    limit: int = 0

    @property
    def at_ms(self) -> int:
        """The time of the evaluation."""
        return self.context.at_ms

    @property
    def data_at_ms(self) -> int:
        """The time whose data are looked at, which the samples written also carry."""
        return self.at_ms - self.query_offset_ms

    def query(self, expression: str) -> Sequence[tuple[Labels, float]]:
        """The vector that an expression yields."""
        return self.context.query(expression, self.data_at_ms)

    def check_limit(self, count: int, what: str) -> None:
        """Raise RuleError when there are too many."""
        if 0 < self.limit < count:
            raise RuleError(f"exceeded limit of {self.limit} with {count} {what}")


class Rule(Protocol):
    """One rule of a group."""

    @property
    def name(self) -> str:
        """What it records, or the name of its alerts."""
        ...

    @property
    def expression(self) -> str:
        """The PromQL that it evaluates."""
        ...

    @property
    def labels(self) -> Labels:
        """What it adds to each series or alert."""
        ...

    @property
    def status(self) -> RuleStatus:
        """How its last evaluation went."""
        ...

    @property
    def reads(self) -> frozenset[str] | None:
        """The metrics that an evaluation looks at, None when they cannot be told."""
        ...

    @property
    def writes(self) -> frozenset[str]:
        """The metrics of its samples."""
        ...

    def evaluate(self, evaluation: Evaluation) -> Samples:
        """Evaluate the rule; returns the samples to write, and raises TocsinError when it fails."""
        ...


def stages(rules: Iterable[Rule]) -> tuple[tuple[Rule, ...], ...]:
    """Cut rules, in their order, so that none reads what an earlier one in the same part writes.

    The samples of a part can then be stored together, which is what makes many rules cheap.
    """
    parts: list[list[Rule]] = [[]]
    written: set[str] = set()
    for rule in rules:
        if written and (rule.reads is None or rule.reads & written):
            parts.append([])
            written = set()
        parts[-1].append(rule)
        written |= rule.writes
    return tuple(tuple(part) for part in parts if part)
