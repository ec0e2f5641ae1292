"""Who hears that a drill failed: not only the receiver that it failed to reach."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.alerts.drills.routing import FAILED_ALERT
from tocsin.alerts.marks import RECEIVER
from tocsin.alerts.route import build_route
from tocsin.config.settings import Settings
from tocsin.model.alert import ALERT_NAME

_SEVERITY = "critical"
"""That of the shipped rule."""


def failed_to(settings: Settings) -> Mapping[str, str]:
    """By receiver, who else hears of drills to it that failed."""
    return {
        drill.receiver: drill.failed_to
        for drill in settings.drills
        if drill.receiver is not None and drill.failed_to is not None
    }


def check_failed_to(settings: Settings) -> None:
    """See to it that a receiver is not the only one that hears of its own failure.

    Raises ConfigError with the line of a drill that names no ``failed_to``, has no other route for the alert
    DrillFailed, and could have one.
    """
    config = settings.alertmanager
    if config is None:
        return
    root = build_route(config.route)
    others = failed_to(settings)
    names = [receiver.name for receiver in config.receivers]
    for index, drill in enumerate(settings.drills):
        broken = drill.receiver
        if broken is None or broken in others or len(names) == 1:
            continue
        labels = {ALERT_NAME: FAILED_ALERT, "severity": _SEVERITY, RECEIVER: broken}
        if {route.receiver for route in root.match(labels)} == {broken}:
            allowed = ", ".join(name for name in names if name != broken)
            raise settings.error(
                f'drills[{index}]: only "{broken}" itself would hear that a drill to it failed; '
                f"name another receiver in failed_to ({allowed})",
                ("drills", index),
            )
