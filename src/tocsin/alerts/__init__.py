"""What becomes of an alert: routed, grouped, and told to its receivers once."""

from tocsin.alerts.dispatcher import Dispatcher
from tocsin.alerts.errors import DeliveryError
from tocsin.alerts.log import NotificationLog
from tocsin.alerts.notification import Channel, Notification, common_pairs
from tocsin.alerts.route import Route, build_route
from tocsin.alerts.store import AlertStore, KnownAlert
from tocsin.model.alert import Alert

__all__ = [
    "Alert",
    "AlertStore",
    "Channel",
    "DeliveryError",
    "Dispatcher",
    "KnownAlert",
    "Notification",
    "NotificationLog",
    "Route",
    "build_route",
    "common_pairs",
]
