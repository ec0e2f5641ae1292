"""By what the alert of a drill is told from a real one, wherever it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.model.alert import ALERT_NAME

DRILL_SERIES: Final = "tocsin_drill"
"""The metric that a drill writes; its labels become those of the alert."""

DRILL_ALERT: Final = "TocsinDrill"
"""The name of the alert that the shipped rule raises over it."""

DRILL: Final = "drill"
RECEIVER: Final = "receiver"
ACKNOWLEDGE: Final = "acknowledge"
WANTED: Final = "wanted"


def is_drill(labels: Mapping[str, str]) -> bool:
    """Whether an alert belongs to a drill.

    >>> is_drill({"alertname": "TocsinDrill", "drill": "3f9a"}), is_drill({"alertname": "SystemDown"})
    (True, False)
    """
    return labels.get(ALERT_NAME) == DRILL_ALERT and bool(labels.get(DRILL))


def opens_incident(labels: Mapping[str, str]) -> bool:
    """Whether an alert may open an incident: a drill only does when somebody is to acknowledge it."""
    return not is_drill(labels) or labels.get(ACKNOWLEDGE) == WANTED
