"""Rows and state as lines of JSON, which ``tocsin import`` reads again.

The first line of a file names the labels of all that follows; every further line is one time::

    {"tocsin_run": 1, "labels": {"instance": "gpu-1", "job": "training", "run": "resnet50"}}
    {"time_ms": 1700000000123, "values": {"training_step": 7, "training_loss": 0.5}}
    {"time_ms": 1700000000200, "labels": {"check": "spike"}, "values": {"training_health": 0.0}}

NaN and infinities, which JSON does not have, are the texts ``NaN``, ``+Inf`` and ``-Inf``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

from tocsin.sdk.guard import Guard
from tocsin.sdk.lines import number_text
from tocsin.sdk.names import Names
from tocsin.sdk.readings import Reading
from tocsin.sdk.thinning import Row
from tocsin.sdk.values import around_value

FORMAT: Final = "tocsin_run"
VERSION: Final = 1


def header_line(labels: Mapping[str, str]) -> str:
    r"""The first line of a file.

    >>> header_line({"run": "a"})
    '{"tocsin_run":1,"labels":{"run":"a"}}\n'
    """
    return _line({FORMAT: VERSION, "labels": dict(labels)})


def row_lines(rows: Iterable[Row], names: Names, guard: Guard) -> list[str]:
    """The lines of rows; a value that is no number is told once and left out."""
    lines = []
    for time_ms, number, values in rows:
        known: dict[str, Any] = {"training_step": number}
        for name, value in values.items():
            metric = names[name]
            if metric is not None:
                with around_value(guard, name, value):
                    known[metric] = _number(value)
        lines.append(_line({"time_ms": time_ms, "values": known}))
    return lines


def state_lines(state: Iterable[Reading], time_ms: int) -> list[str]:
    """The lines of a state, one for each set of labels."""
    together: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for name, value, labels in state:
        together.setdefault(labels, {})[name] = _number(value)
    return [
        _line({"time_ms": time_ms, **({"labels": dict(labels)} if labels else {}), "values": values})
        for labels, values in together.items()
    ]


def _number(value: float) -> float | str:
    number = float(value)
    return number if isfinite(number) else number_text(number)


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"
