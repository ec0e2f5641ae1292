"""tocsin: observability for machine learning in one ``pip install``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin._version import __version__

if TYPE_CHECKING:
    from tocsin.sdk import FederatedMonitor, InferenceMonitor, MetricsCollector, TrainingMonitor

__all__ = ["FederatedMonitor", "InferenceMonitor", "MetricsCollector", "TrainingMonitor", "__version__"]


def __getattr__(name: str) -> object:
    """Import the public names when they are first used, so that ``import tocsin`` itself costs nothing."""
    if name in __all__:
        import tocsin.sdk  # noqa: PLC0415

        return getattr(tocsin.sdk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
