"""What becomes of an alert: routed, grouped, and told to its receivers once."""

from tocsin.alerts.database import Database
from tocsin.alerts.dispatcher import Dispatcher, Observer, deliver
from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.group import AggregationGroup
from tocsin.alerts.inhibition import Inhibitor, InhibitRule
from tocsin.alerts.log import NotificationLog
from tocsin.alerts.muting import AlertStatus, Muting, TimeInterval
from tocsin.alerts.notification import Channel, Notification, common_pairs, compare_labels
from tocsin.alerts.route import Route, build_route
from tocsin.alerts.silence import Silence, Silences, SilenceState
from tocsin.alerts.state import AlertingState
from tocsin.alerts.store import AlertStore, KnownAlert
from tocsin.model.alert import Alert

__all__ = [
    "AggregationGroup",
    "Alert",
    "AlertStatus",
    "AlertStore",
    "AlertingState",
    "Channel",
    "Database",
    "DeliveryError",
    "Dispatcher",
    "InhibitRule",
    "Inhibitor",
    "KnownAlert",
    "Muting",
    "Notification",
    "NotificationLog",
    "Observer",
    "Route",
    "Silence",
    "SilenceState",
    "Silences",
    "TimeInterval",
    "build_route",
    "common_pairs",
    "compare_labels",
    "deliver",
]
