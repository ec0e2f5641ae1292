"""What user code imports: monitors and custom collectors, on the standard library alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.sdk.training import TrainingMonitor

if TYPE_CHECKING:
    from tocsin.sdk.collector import MetricsCollector
    from tocsin.sdk.federated import FederatedMonitor
    from tocsin.sdk.inference import InferenceMonitor

__all__ = ["FederatedMonitor", "InferenceMonitor", "MetricsCollector", "TrainingMonitor"]


def __getattr__(name: str) -> object:
    if name == "MetricsCollector":
        from tocsin.sdk.collector import MetricsCollector  # noqa: PLC0415

        return MetricsCollector
    if name == "FederatedMonitor":
        from tocsin.sdk.federated import FederatedMonitor  # noqa: PLC0415

        return FederatedMonitor
    if name == "InferenceMonitor":
        from tocsin.sdk.inference import InferenceMonitor  # noqa: PLC0415

        return InferenceMonitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
