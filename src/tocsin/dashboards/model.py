"""The parts of a dashboard, independent of whatever draws them.

Expressions are PromQL with three kinds of placeholder, written as Grafana writes them:
``$name`` is the chosen value of a :class:`Variable`, ``$__rate_interval`` a window that holds
at least four samples, ``$__range`` the whole time shown. Legends are templates over labels,
such as ``{{device}} read``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Unit(StrEnum):
    """What a panel's values are measured in; bases are seconds, bytes, degrees Celsius, watts."""

    NUMBER = "number"
    PERCENT = "percent"
    RATIO = "ratio"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes_per_second"
    PER_SECOND = "per_second"
    STEPS_PER_SECOND = "steps_per_second"
    SECONDS = "seconds"
    CELSIUS = "celsius"
    WATTS = "watts"


class Severity(StrEnum):
    """How bad it is to cross a threshold."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Headline(StrEnum):
    """Which of a panel's current values stands for the whole panel."""

    FIRST = "first"
    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the template that names each series of its answer."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value at which a panel's reader should look up."""

    value: float
    severity: Severity


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart.

    ``name`` is unique on its dashboard and stays the same when the title changes.
    ``minimum`` and ``maximum`` fix the ends of the value axis; None leaves them to the data.
    ``aliases`` are further metric names under which rules speak of what is shown here, so that
    their alerts are marked on this chart. ``empty`` says why there may be nothing to show.
    """

    name: str
    title: str
    unit: Unit
    queries: tuple[Query, ...]
    headline: Headline = Headline.FIRST
    stacked: bool = False
    minimum: float | None = None
    maximum: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    aliases: tuple[str, ...] = ()
    empty: str = "Nothing was measured in this time range."


@dataclass(frozen=True, slots=True)
class Section:
    """Panels that belong together.

    ``only_if`` is PromQL: the section exists while the answer is not empty. ``each`` is a
    selector: every metric it finds that no other panel shows gets a panel of its own.
    """

    name: str
    title: str
    panels: tuple[Panel, ...] = ()
    only_if: str = ""
    each: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice for the whole dashboard: one of the values of ``label`` on ``metric``."""

    name: str
    title: str
    metric: str
    label: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of panels."""

    name: str
    title: str
    path: str
    question: str
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The panels of all sections, in order."""
        return tuple(panel for section in self.sections for panel in section.panels)

    def to_json(self) -> dict[str, Any]:
        """Write it as plain dicts, lists, strings and numbers, with the names of the fields as keys."""
        return asdict(self)
