"""Alerts that come and go again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tocsin.alerts.store import KnownAlert
from tocsin.model import Labels


@dataclass(slots=True)
class Flapping:
    """Counts how often each alert begins or ends; ``changes`` times ``within_ms`` is flapping.

    It lasts until there was no change for half of that time.
    """

    changes: int
    within_ms: int
    _is_firing: dict[Labels, bool] = field(default_factory=dict)
    _changed_ms: dict[Labels, deque[int]] = field(default_factory=dict)

    def put(self, alerts: Iterable[KnownAlert], now_ms: int) -> list[Labels]:
        """Note where alerts stand; returns those that have just begun to flap."""
        return [known.alert.labels for known in alerts if self._note(known, now_ms)]

    def is_flapping(self, labels: Labels, now_ms: int) -> bool:
        """Whether an alert flaps now."""
        times = self._changed_ms.get(labels)
        if times is None or len(times) < self.changes:
            return False
        return times[-1] - times[0] <= self.within_ms and now_ms - times[-1] < self.within_ms // 2

    def collect(self, now_ms: int) -> None:
        """Forget alerts that have been quiet."""
        for labels, times in list(self._changed_ms.items()):
            if now_ms - times[-1] >= self.within_ms:
                del self._changed_ms[labels]
                if not self._is_firing[labels]:
                    del self._is_firing[labels]

    def _note(self, known: KnownAlert, now_ms: int) -> bool:
        labels, is_firing = known.alert.labels, not known.is_resolved(now_ms)
        if is_firing is self._is_firing.get(labels, False):
            return False
        was_flapping = self.is_flapping(labels, now_ms)
        self._is_firing[labels] = is_firing
        self._changed_ms.setdefault(labels, deque(maxlen=self.changes)).append(now_ms)
        return not was_flapping and self.is_flapping(labels, now_ms)
