"""What drills say about the receivers that they were sent to."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from tocsin.alerts.drills.drill import Drill, Result

_LABELS: Final = ("receiver", "integration")


class DrillMetrics:
    """The last drill of each channel, and how many there were.

    A drill that failed before it was known whom it would reach counts for the receivers that it named, with
    an empty integration. One that was muted or interrupted says nothing about channels.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"tocsin_drill_{name}", text, _LABELS, registry=registry)

        self._drills = Counter(
            "tocsin_drills", "Drills, by what came of them.", ["result"], registry=registry
        )
        self._success = gauge("success", "Whether the last drill succeeded.")
        self._succeeded = gauge("last_success_timestamp_seconds", "When a drill succeeded last.")
        self._duration = gauge("duration_seconds", "How long the last drill took until it was accepted.")
        self._known: set[tuple[str, str]] = set()

    def count(self, drill: Drill) -> None:
        """Note a drill that has just ended."""
        if drill.result is not None:
            self._drills.labels(drill.result).inc()
        self.note(drill)

    def note(self, drill: Drill) -> None:
        """Take the result of a drill as the last of its channels."""
        if drill.result not in {Result.SUCCEEDED, Result.FAILED}:
            return
        seen = {(each.receiver, each.integration): each.accepted_ms for each in drill.outcomes}
        if not seen:
            seen = {(receiver, ""): None for receiver in drill.request.targets}
        self._forget({receiver for receiver, _ in seen} | {""}, but=set(seen))
        # Where every channel accepted, what failed is that nobody acknowledged.
        is_failed = drill.result is Result.FAILED and None not in seen.values()
        for key, accepted_ms in seen.items():
            self._set(key, None if is_failed else accepted_ms, drill.started_ms)

    def keep(self, receivers: Container[str]) -> None:
        """Forget the receivers that are no more."""
        self._forget({receiver for receiver, _ in self._known if receiver and receiver not in receivers})

    def _set(self, key: tuple[str, str], accepted_ms: int | None, started_ms: int) -> None:
        self._known.add(key)
        self._success.labels(*key).set(accepted_ms is not None)
        if accepted_ms is not None:
            self._succeeded.labels(*key).set(accepted_ms / 1000)
            self._duration.labels(*key).set((accepted_ms - started_ms) / 1000)

    def _forget(self, receivers: Container[str], but: Container[tuple[str, str]] = ()) -> None:
        for key in [each for each in self._known if each[0] in receivers and each not in but]:
            self._known.discard(key)
            self._success.remove(*key)
            for metric in (self._succeeded, self._duration):
                metric.labels(*key)
                metric.remove(*key)
