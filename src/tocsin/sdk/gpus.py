"""The NVIDIA GPUs of this machine, for the events of a federated training."""

from __future__ import annotations

import importlib
import logging
import os
import socket
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

from tocsin.errors import ConfigError
from tocsin.runtime import announce
from tocsin.sdk.events import log_event
from tocsin.sdk.guard import Guard

DCGM_EXPORTER: Final = ("127.0.0.1", 9400)
"""Where NVIDIA's DCGM exporter listens by default."""

_MIB: Final = 2**20
_CONNECT_WITHIN_S: Final = 0.5


class Gpu(NamedTuple):
    """One card; ``memory_mb`` is in MiB, as nvidia-smi says it."""

    name: str
    memory_mb: int
    driver_version: str


class GpuEvents:
    """Tells which GPUs a training has, once it begins.

    Where the DCGM exporter runs beside it, a tocsin on this machine finds that too, until :meth:`forget`.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._announced: Path | None = None

    def look(self, logger: logging.Logger, *, exporter: bool) -> None:
        """Write ``gpu_detected`` for each card, or ``gpu_unavailable``; ``exporter`` looks for that too."""
        found: list[Gpu] = []
        with self._guard.around("gpus", "GPUs cannot be found"):
            found = find_gpus()
        for gpu in found:
            log_event(
                logger,
                "gpu_detected",
                gpu_name=gpu.name,
                gpu_memory_mb=gpu.memory_mb,
                driver_version=gpu.driver_version,
            )
        if not found:
            log_event(logger, "gpu_unavailable", fallback_device="cpu")
        if exporter:
            with self._guard.around("exporter", "the DCGM exporter cannot be announced"):
                self._announce_exporter()

    def forget(self) -> None:
        """The training is over, and with it the announcement."""
        if self._announced is not None:
            self._announced.unlink(missing_ok=True)
            self._announced = None

    def _announce_exporter(self) -> None:
        host, port = DCGM_EXPORTER
        if not listens(DCGM_EXPORTER):
            self._guard.tell_once(
                "exporter", f"FL_DCGM_ENABLED is YES, and no DCGM exporter listens on {host}:{port}"
            )
            return
        group = {"targets": [f"{host}:{port}"], "labels": {"instance": socket.gethostname(), "job": "dcgm"}}
        self._announced = announce("targets", f"{os.getpid()}-dcgm.json", [group])


def find_gpus() -> list[Gpu]:
    """The cards that NVML knows; none without a driver.

    Raises ConfigError when NVIDIA's binding is not installed.
    """
    library = _binding()
    try:
        library.nvmlInit()
    except library.NVMLError:
        return []
    try:
        driver = _text(library.nvmlSystemGetDriverVersion())
        cards = [library.nvmlDeviceGetHandleByIndex(index) for index in range(library.nvmlDeviceGetCount())]
        return [
            Gpu(
                _text(library.nvmlDeviceGetName(card)),
                round(library.nvmlDeviceGetMemoryInfo(card).total / _MIB),
                driver,
            )
            for card in cards
        ]
    finally:
        library.nvmlShutdown()


def listens(address: tuple[str, int]) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(address, _CONNECT_WITHIN_S).close()
    except OSError:
        return False
    return True


def _binding() -> ModuleType:
    try:
        return importlib.import_module("pynvml")
    except ModuleNotFoundError as fault:
        raise ConfigError("run: pip install nvidia-ml-py") from fault


def _text(value: str | bytes) -> str:
    """Older bindings give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
