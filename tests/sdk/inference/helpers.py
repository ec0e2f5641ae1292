"""A clock that is set by hand, and what a monitor says at a moment."""

from __future__ import annotations

from tocsin.sdk.inference import InferenceMonitor


class HandClock:
    """Seconds that pass when a test says so."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def passes(self, seconds: float) -> None:
        self.now_s += seconds


def said(monitor: InferenceMonitor) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of a monitor with its own labels."""
    return {(name, own): value for name, value, own in monitor._core._read()}


def values(monitor: InferenceMonitor, name: str) -> dict[str, float]:
    """The series of one name, by the values of their labels."""
    return {
        "/".join(text for _, text in own): value
        for (metric, own), value in said(monitor).items()
        if metric == name
    }


def value(monitor: InferenceMonitor, name: str, *labels: str) -> float:
    """One series, which must be there."""
    return values(monitor, name)["/".join(labels)]
