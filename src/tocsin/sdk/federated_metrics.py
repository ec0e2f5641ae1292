"""The eleven metrics of a federated training, under the names that others use for them."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ROUND_BUCKETS_S: Final = (1, 5, 10, 30, 60, 120, 300, 600)


class FederatedMetrics:
    """``fl_…``; those about rounds have the label ``strategy``. A round is a value, never a label."""

    def __init__(self, registry: CollectorRegistry, strategy: str) -> None:
        def of_strategy(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["strategy"], registry=registry).labels(strategy)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, registry=registry)

        self.round_current = of_strategy("fl_round_current", "The round under way.")
        self.round_total = of_strategy("fl_round_total", "How many rounds there will be.")
        self.duration = Histogram(
            "fl_round_duration_seconds",
            "How long rounds took.",
            ["strategy"],
            buckets=ROUND_BUCKETS_S,
            registry=registry,
        ).labels(strategy)
        self.loss = of_strategy("fl_aggregated_loss", "The loss of the newest aggregate.")
        self.accuracy = of_strategy("fl_aggregated_accuracy", "The accuracy of the newest aggregate.")
        self.connected = gauge("fl_clients_connected", "Clients that are connected.")
        self.selected = gauge("fl_clients_selected", "Clients that were selected for the round.")
        self.responded = gauge("fl_clients_responded", "Clients of the round that have answered.")
        self.failed = Counter("fl_clients_failed", "Clients that failed in a round.", registry=registry)
        self.checkpoints = Counter("fl_checkpoint_saved", "Checkpoints saved.", registry=registry)
        self._status = gauge("fl_training_status", "0 idle, 1 running, 2 complete, 3 failed.")

    def status(self, status: int) -> None:
        """Set where the training stands."""
        self._status.set(int(status))
