"""Rows as lines of Prometheus' text format, each with its own timestamp."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, isnan

from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names, label_text
from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row
from tocsin.sdk.values import around_value


def row_lines(rows: Iterable[Row], names: Names, labels: str, guard: Guard) -> list[str]:
    """The lines of rows, the step's number among them."""
    lines = []
    for time_ms, number, values in rows:
        lines.append(f"training_step{labels} {number} {time_ms}\n")
        for name, value in values.items():
            metric = names[name]
            if metric is not None:
                with around_value(guard, name, value):
                    lines.append(f"{metric}{labels} {number_text(value)} {time_ms}\n")
    return lines


def state_lines(state: Iterable[Reading], labels: Mapping[str, str], time_ms: int) -> list[str]:
    """The lines of what a monitor says about itself."""
    plain = label_text(labels)
    return [
        f"{name}{label_text({**labels, **dict(own)}) if own else plain} {number_text(value)} {time_ms}\n"
        for name, value, own in state
    ]


def number_text(value: float) -> str:
    """A number as the text format writes it, exactly."""
    if isfinite(value):
        return repr(float(value))
    return "NaN" if isnan(value) else "+Inf" if value > 0 else "-Inf"
