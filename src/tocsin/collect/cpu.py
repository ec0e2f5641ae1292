"""CPU time by mode, as node_exporter's cpu collector gives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psutil
from prometheus_client.core import CounterMetricFamily, Metric

# A larger step back of the idle time means that the CPU was taken out and put in again.
_HOTPLUG_STEP_BACK_S: Final = 3.0

_GUEST_MODES: Final = {"guest": "user", "guest_nice": "nice"}
"""Time of virtual machines, which ``user`` and ``nice`` already contain, stands in a family of its own."""


class CpuSeconds:
    """Seconds by CPU and mode, never going down.

    Linux itself sometimes takes back a little idle or iowait time; the higher value stays then.
    """

    def __init__(self) -> None:
        self._last: dict[int, dict[str, float]] = {}

    def collect(self) -> Iterable[Metric]:
        """The ``node_cpu_*`` families."""
        seconds = CounterMetricFamily(
            "node_cpu_seconds", "Seconds the CPUs spent in each mode.", labels=["cpu", "mode"]
        )
        guest_seconds = CounterMetricFamily(
            "node_cpu_guest_seconds",
            "Seconds the CPUs spent in guests (VMs) for each mode.",
            labels=["cpu", "mode"],
        )
        for cpu, times in enumerate(psutil.cpu_times(percpu=True)):
            for field, value in self._never_down(cpu, times._asdict()).items():
                if field in _GUEST_MODES:
                    guest_seconds.add_metric([str(cpu), _GUEST_MODES[field]], value)
                else:
                    seconds.add_metric([str(cpu), field], value)
        return [seconds, guest_seconds]

    def _never_down(self, cpu: int, now: dict[str, float]) -> dict[str, float]:
        last = self._last.get(cpu, now)
        if last["idle"] - now["idle"] >= _HOTPLUG_STEP_BACK_S:
            last = now
        self._last[cpu] = {field: max(value, last[field]) for field, value in now.items()}
        return self._last[cpu]
