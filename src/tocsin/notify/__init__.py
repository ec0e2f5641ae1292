"""The channels by which people and other systems are told, one file each."""

from tocsin.notify.alertmanager import AlertmanagerForwarder
from tocsin.notify.metrics import NotifyMetrics
from tocsin.notify.receivers import CHANNELS, Receivers
from tocsin.notify.webhook import WebhookChannel, webhook_message

__all__ = [
    "CHANNELS",
    "AlertmanagerForwarder",
    "NotifyMetrics",
    "Receivers",
    "WebhookChannel",
    "webhook_message",
]
