"""What the demo asks its tocsin: the newest steps, and whether the alert is there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import httpx

Json = dict[str, Any]

ALERT: Final = "TrainingLossSpike"

_RANGE: Final = "[1m]"
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Picture:
    """The demo at one moment. Times are in seconds; what has not happened yet is None."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    learning_rate: float | None = None
    alert_state: str = "inactive"
    spike_age_s: float | None = None
    alert_delay_s: float | None = None


class Watch:
    """Asks over HTTP, as any other program would.

    The learning rate's own samples tell when the accident began, so that the delay of the alert
    counts from the step itself and not from when somebody looked.
    """

    def __init__(self, url: str, spike_learning_rate: float) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False)
        self._spike_learning_rate = spike_learning_rate
        self._spike_at_s: float | None = None
        self._alert_at_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def look(self) -> Picture:
        """How things are now; raises httpx.HTTPError when the server does not say."""
        rates = self._samples("training_learning_rate")
        losses = self._samples("training_loss")
        steps = self._samples("training_step")
        alerts = self._alerts()
        self._note_times(rates, alerts)
        return Picture(
            step=int(steps[-1][1]) if steps else 0,
            losses=[loss for _, loss in losses],
            learning_rate=rates[-1][1] if rates else None,
            alert_state=_state(alerts),
            spike_age_s=None if self._spike_at_s is None else time.time() - self._spike_at_s,
            alert_delay_s=self._alert_delay_s(),
        )

    def _note_times(self, rates: list[tuple[float, float]], alerts: list[Json]) -> None:
        if self._spike_at_s is None:
            self._spike_at_s = next((at_s for at_s, rate in rates if rate >= self._spike_learning_rate), None)
        if self._alert_at_s is None and self._spike_at_s is not None:
            # An alert that was there before the accident says nothing about it.
            since = [alert for alert in alerts if _active_at_s(alert) >= self._spike_at_s]
            self._alert_at_s = time.time() if _state(since) == "firing" else None

    def _alert_delay_s(self) -> float | None:
        if self._spike_at_s is None or self._alert_at_s is None:
            return None
        return self._alert_at_s - self._spike_at_s

    def _samples(self, metric: str) -> list[tuple[float, float]]:
        result = self._get("/api/v1/query", query=f'{metric}{{run="digits"}}{_RANGE}')["result"]
        return [(float(at_s), float(value)) for series in result for at_s, value in series["values"]]

    def _alerts(self) -> list[Json]:
        alerts = self._get("/api/v1/alerts")["alerts"]
        return [alert for alert in alerts if alert["labels"]["alertname"] == ALERT]

    def _get(self, path: str, **parameters: str) -> Json:
        answer = self._client.get(path, params=parameters)
        answer.raise_for_status()
        data: Json = answer.json()["data"]
        return data


def _state(alerts: list[Json]) -> str:
    states = {alert["state"] for alert in alerts}
    return "firing" if "firing" in states else "pending" if states else "inactive"


def _active_at_s(alert: Json) -> float:
    return datetime.fromisoformat(alert["activeAt"]).timestamp()
