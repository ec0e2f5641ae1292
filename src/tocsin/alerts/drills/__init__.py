"""Drills: proof that a message arrives, from the series to the person."""

from tocsin.alerts.drills.desk import DrillDesk
from tocsin.alerts.drills.drill import Drill, DrillRequest, Outcome, Result, Stage, StageKind
from tocsin.alerts.drills.heartbeat import Heartbeat, HeartbeatMetrics, Pulse
from tocsin.alerts.drills.metrics import DrillMetrics
from tocsin.alerts.drills.path import DeliveryPath
from tocsin.alerts.drills.routing import DrillRoute
from tocsin.alerts.drills.schedule import DrillSchedule
from tocsin.alerts.drills.watching import WatchedChannel

__all__ = [
    "DeliveryPath",
    "Drill",
    "DrillDesk",
    "DrillMetrics",
    "DrillRequest",
    "DrillRoute",
    "DrillSchedule",
    "Heartbeat",
    "HeartbeatMetrics",
    "Outcome",
    "Pulse",
    "Result",
    "Stage",
    "StageKind",
    "WatchedChannel",
]
