"""Remote write to other engines: queues on disk that survive restarts and outages."""

from tocsin.storage.forward.forwarder import Forwarder, Route
from tocsin.storage.forward.metrics import ForwardMetrics
from tocsin.storage.forward.shard import Pace
from tocsin.storage.forward.storage import ForwardingStorage, inner_of

__all__ = ["ForwardMetrics", "Forwarder", "ForwardingStorage", "Pace", "Route", "inner_of"]
