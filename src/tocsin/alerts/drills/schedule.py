"""Drills at the times that the configuration says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.alerts.drills.desk import DrillDesk
from tocsin.alerts.drills.drill import DrillRequest
from tocsin.config.drills import DrillConfig
from tocsin.errors import UsageError
from tocsin.model import Clock

_INTERVAL_S: Final = 1.0
_FIRST_AFTER_MS: Final = 60_000
"""How long after the start a drill runs that never ran before; by then scrapes and rules are under way."""

_SEARCHED: Final = 1000

_log = logging.getLogger(__name__)

SCHEDULE: Final = "schedule"
"""Who asked for a drill that runs by itself."""


def request_of(config: DrillConfig) -> DrillRequest:
    """What a configured drill asks for."""
    return DrillRequest(
        receivers=(config.receiver,) if config.receiver is not None else (),
        severity=config.severity,
        labels=config.labels,
        timeout_ms=config.timeout,
        wait_acknowledge_ms=config.wait_acknowledge or 0,
        by=SCHEDULE,
    )


@dataclass(slots=True)
class _Entry:
    """One configured drill, and when it is due next."""

    config: DrillConfig
    due_ms: int


class DrillSchedule:
    """Starts each drill when it is due.

    What runs ``every`` so long is counted from its last start, restarts included; a time of day that passed
    while tocsin was stopped is left out.
    """

    def __init__(self, configs: Sequence[DrillConfig], desk: DrillDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._entries = [_Entry(config, self._first_ms(config)) for config in configs]

    async def run(self) -> None:
        """Start drills until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(_INTERVAL_S)

    def look(self) -> None:
        """Start what is due."""
        now_ms = self._clock.now_ms()
        for entry in self._entries:
            if now_ms >= entry.due_ms:
                entry.due_ms = entry.config.next_ms(now_ms)
                self._start(entry.config)

    def _start(self, config: DrillConfig) -> None:
        try:
            self._desk.start(request_of(config))
        except UsageError as error:
            _log.warning("a scheduled drill is left out: %s", error)

    def _first_ms(self, config: DrillConfig) -> int:
        now_ms = self._clock.now_ms()
        if config.every is None:
            return config.next_ms(now_ms)
        wanted = request_of(config)
        last_ms = next(
            (
                each.started_ms
                for each in self._desk.history.newest(_SEARCHED)
                if wanted.is_like(each.request)
            ),
            None,
        )
        soon_ms = now_ms + _FIRST_AFTER_MS
        return soon_ms if last_ms is None else max(last_ms + config.every, soon_ms)
