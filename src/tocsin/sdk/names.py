"""Names of series: from the words of a training script to Prometheus' metric names and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tocsin.sdk.guard import Guard

ALIASES: Final = {"lr": "learning_rate"}

RESERVED: Final = frozenset(
    {
        "checkpoint_size_bytes",
        "checkpoint_step",
        "checkpoint_time_seconds",
        "checkpoints_total",
        "cost_per_step",
        "cost_total",
        "eta_seconds",
        "flops_utilization_ratio",
        "health",
        "health_events_total",
        "part_ratio",
        "part_seconds_total",
        "samples_total",
        "start_time_seconds",
        "status",
        "step",
        "steps_dropped_total",
        "steps_per_second",
        "tokens_total",
        "total_steps",
        "validating",
        "world_size",
    }
)

MOST_NAMES: Final = 1000
"""Different values one run may have; names made up anew at each step would fill any store."""

_NOT_IN_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Names:
    """The metric name of each value of one run; an unusable one is told once and left out.

    >>> names = Names(Guard("TrainingMonitor"))
    >>> names["lr"], names["val/loss"]
    ('training_learning_rate', 'training_val_loss')
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._metrics: dict[str, str | None] = {}

    def __getitem__(self, name: str) -> str | None:
        """The metric's name, or None when the value cannot be sent."""
        if name not in self._metrics:
            if len(self._metrics) >= MOST_NAMES:
                self._guard.tell_once(
                    "names", f'more than {MOST_NAMES} different values, "{name}" and later ones are left out'
                )
                return None
            self._metrics[name] = self._metric(name)
        return self._metrics[name]

    def __contains__(self, metric: object) -> bool:
        """Whether a value is sent under this name of a metric."""
        return metric in self._metrics.values()

    def _metric(self, name: str) -> str | None:
        word = _NOT_IN_NAME.sub("_", ALIASES.get(name, name))
        if not word.strip("_"):
            self._guard.tell_once(f"name {name}", f'"{name}" has no letter or digit to name a series with')
            return None
        if word in RESERVED:
            self._guard.tell_once(f"name {name}", f'"{name}" is the name of a series that the monitor keeps')
            return None
        return f"training_{word}"


def usable_labels(labels: Mapping[str, str], guard: Guard) -> dict[str, str]:
    """Those labels that Prometheus' data model allows, as text; others are told once and left out."""
    usable = {}
    for name, value in labels.items():
        if isinstance(name, str) and _LABEL_NAME.fullmatch(name) and not name.startswith("__"):
            usable[name] = str(value)
        else:
            guard.tell_once(
                f"label {name}", f"label name {name!r} is left out (allowed are letters, digits and _)"
            )
    return usable


def label_text(labels: Mapping[str, str]) -> str:
    """Labels as the text format writes them, in order of their names.

    >>> label_text({"run": "a"})
    '{run="a"}'
    """
    inside = ",".join(f'{name}="{labels[name].translate(_ESCAPES)}"' for name in sorted(labels))
    return f"{{{inside}}}"
