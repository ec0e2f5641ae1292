"""Incidents: what is wrong now, who knows, who acts, and what became of it."""

from tocsin.alerts.incidents.acknowledger import Acknowledger, AcknowledgingChannel
from tocsin.alerts.incidents.book import IncidentBook
from tocsin.alerts.incidents.escalator import Escalator
from tocsin.alerts.incidents.flapping import Flapping
from tocsin.alerts.incidents.incident import Incident, IncidentAlert, IncidentStatus
from tocsin.alerts.incidents.links import Links
from tocsin.alerts.incidents.metrics import IncidentMetrics
from tocsin.alerts.incidents.timeline import Entry, EntryKind, Timeline

__all__ = [
    "Acknowledger",
    "AcknowledgingChannel",
    "Entry",
    "EntryKind",
    "Escalator",
    "Flapping",
    "Incident",
    "IncidentAlert",
    "IncidentBook",
    "IncidentMetrics",
    "IncidentStatus",
    "Links",
    "Timeline",
]
