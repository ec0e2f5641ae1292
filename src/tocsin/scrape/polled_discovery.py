"""Sources of targets that are asked over the network, and may be away for a while."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from tocsin.config.scrape import TargetGroup
from tocsin.errors import ConfigError

_log = logging.getLogger(__name__)


class PolledDiscovery(ABC):
    """Asks at an interval; while there is no good answer, targets stay as they were.

    ``name`` is what problems are reported under, ``now_s`` a clock that never goes back.
    """

    def __init__(self, name: str, interval_ms: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self.check_interval_ms = interval_ms
        self._name = name
        self._now_s = now_s
        self._asked_s: float | None = None
        self._groups: list[TargetGroup] = []
        self._problem = ""

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, one sentence."""
        return {self._name: self._problem} if self._problem else {}

    def groups(self) -> list[TargetGroup]:
        """The groups of the latest good answer; asks when that is an interval old."""
        if self._is_due():
            self._asked_s = self._now_s()
            self._refresh()
        return self._groups

    @abstractmethod
    def ask(self) -> list[TargetGroup]:
        """The groups as they are now; raises ConfigError with one sentence when they cannot be had."""

    def _is_due(self) -> bool:
        # A watcher that sleeps as long as the interval wakes a little early or late.
        tolerance_s = self.check_interval_ms / 10_000
        return (
            self._asked_s is None
            or self._now_s() - self._asked_s >= self.check_interval_ms / 1000 - tolerance_s
        )

    def _refresh(self) -> None:
        try:
            self._groups = self.ask()
        except ConfigError as error:
            self._report(str(error))
        else:
            self._problem = ""

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("targets of %s stay as they were: %s", self._name, problem)
        self._problem = problem
