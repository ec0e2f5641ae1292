"""The events of trainings: names, levels and fields, and writing them to a log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_WARNING: Final = logging.WARNING


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event: its level in the log, and the fields of its data."""

    fields: tuple[str, ...]
    level: int = logging.INFO


EVENTS: Final[Mapping[str, Event]] = {
    "training_start": Event(("strategy", "num_rounds", "min_clients")),
    "round_start": Event(("round", "num_clients_selected", "strategy")),
    "round_end": Event(
        (
            "round",
            "num_clients_responded",
            "aggregated_loss",
            "aggregated_accuracy",
            "round_duration_seconds",
        )
    ),
    "training_end": Event(("total_rounds", "final_loss", "final_accuracy", "total_duration_seconds")),
    "client_join": Event(("node_id", "client_address")),
    "client_leave": Event(("node_id", "reason")),
    "checkpoint_saved": Event(("round", "path", "size_bytes")),
    "evaluation_result": Event(("round", "loss", "accuracy", "num_examples")),
    "client_failure": Event(("round", "node_id", "error_type"), _WARNING),
    "training_stalled": Event(
        ("round", "waiting_since_seconds", "connected_clients", "required_clients"), _WARNING
    ),
    "gpu_detected": Event(("gpu_name", "gpu_memory_mb", "driver_version")),
    "gpu_unavailable": Event(("fallback_device",), _WARNING),
}
"""Every event of federated learning; a field that is not known is null."""

_HEALTH_FIELDS: Final = ("run", "check", "step", "value_name", "value", "limit", "text")

TRAINING_EVENTS: Final[Mapping[str, Event]] = {
    "training_health_bad": Event(_HEALTH_FIELDS, _WARNING),
    "training_health_good": Event(_HEALTH_FIELDS),
    "training_checkpoint_saved": Event(("run", "step", "path", "size_bytes")),
}
"""Events of one training: a health check has turned bad, or is good again; a checkpoint was saved."""


def log_event(logger: logging.Logger, name: str, **data: Any) -> None:
    """Write an event; raises KeyError for an unknown name and TypeError for an unknown field.

    A text log shows ``round_start round=1 num_clients_selected=2 strategy=FedAvg``; the JSON formatter puts
    name and data in fields of their own.
    """
    event = EVENTS[name] if name in EVENTS else TRAINING_EVENTS[name]
    if unknown := data.keys() - set(event.fields):
        raise TypeError(f"the event {name} has no field {', '.join(sorted(unknown))}")
    complete = {field: data.get(field) for field in event.fields}
    shown = " ".join(f"{field}={value}" for field, value in complete.items())
    logger.log(event.level, "%s %s", name, shown, extra={"event": name, "data": complete})
