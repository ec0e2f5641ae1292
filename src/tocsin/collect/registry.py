"""The collectors that run without configuration. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tocsin.collect.collector import Collector
from tocsin.collect.gpu import GpuCollector
from tocsin.collect.nemo_run import NemoRunCollector
from tocsin.collect.process import ProcessCollector
from tocsin.collect.system import SystemCollector

COLLECTORS: Final[tuple[Callable[[], Collector], ...]] = (
    SystemCollector,
    ProcessCollector,
    GpuCollector,
    NemoRunCollector,
)

JOBS: Final = {
    "system": "node",
    "process": "tocsin",
    "tocsin": "tocsin",
    "gpu": "gpu",
    "nemo_run": "nemo_run",
}
"""The ``job`` label by name of the collector; any other has :data:`CUSTOM_JOB`."""

CUSTOM_JOB: Final = "custom"


def default_collectors() -> list[Collector]:
    """A fresh collector of each kind."""
    return [make() for make in COLLECTORS]
