"""NVIDIA GPUs through NVML, under the DCGM exporter's names."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import pynvml as nvml
from prometheus_client.core import GaugeMetricFamily, Metric

from tocsin.collect.dcgm import READINGS, Field, Handle, throttle_states
from tocsin.collect.xid import XID_FIELD, XidWatch

RETRY_AFTER_S: Final = 60.0
"""How long a missing or broken driver is left alone: each attempt may try to load the kernel module."""

_log = logging.getLogger(__name__)


class Card:
    """One GPU: its NVML handle and the labels of its metrics."""

    def __init__(self, index: int, driver_version: str) -> None:
        self.handle: Handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self.uuid: str = nvml.nvmlDeviceGetUUID(self.handle)
        self.model: str = nvml.nvmlDeviceGetName(self.handle)
        self.labels = {
            "gpu": str(index),
            "UUID": self.uuid,
            "pci_bus_id": nvml.nvmlDeviceGetPciInfo(self.handle).busId,
            "device": f"nvidia{index}",
            "modelName": self.model,
            "Hostname": socket.gethostname(),
            "DCGM_FI_DRIVER_VERSION": driver_version,
        }

    def values(self) -> list[tuple[Field, float]]:
        """What the card can tell at this moment; a reading that fails is left out."""
        values: list[tuple[Field, float]] = []
        for reading in READINGS:
            try:
                values += reading.values(self.handle)
            except nvml.NVMLError:
                continue
        return values

    def throttle_states(self) -> dict[str, float]:
        """1 or 0 by throttle reason; empty when the card does not tell."""
        try:
            return throttle_states(self.handle)
        except nvml.NVMLError:
            return {}


class GpuCollector:
    """``DCGM_FI_*`` and ``tocsin_gpu_throttle_reason`` of every card, and ``tocsin_gpu_devices``.

    Without a driver or a card there is ``tocsin_gpu_devices`` 0 alone. A value that a card does
    not have gives no sample. A driver that goes away is looked for again after ``retry_after_s``.
    """

    name = "gpu"

    def __init__(self, *, retry_after_s: float = RETRY_AFTER_S) -> None:
        self._retry_after_s = retry_after_s
        self._next_attempt_s = float("-inf")
        self._lock = threading.Lock()
        self._is_open = False
        self._driver_version = ""
        self._cards: dict[int, Card] = {}
        self._xids = XidWatch()
        self._status = ""

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""
        with self._lock:
            count = self._find_cards()
            self._xids.poll()
            families = [_devices_family(count), *self._dcgm_families(), self._throttle_family()]
            return [family for family in families if family.samples]

    def status(self) -> str:
        """One phrase on what was found, for the lines at start; looks when nobody has looked yet."""
        with self._lock:
            if not self._status:
                self._find_cards()
            return self._status

    def _find_cards(self) -> int:
        """Bring the list of cards up to date and count what the driver lists."""
        try:
            if not self._is_open and not self._open():
                return 0
            count: int = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            self._close(_why_none(error))
            return 0
        for index in range(count):
            self._find_card(index)
        self._status = self._found(count)
        return count

    def _open(self) -> bool:
        if time.monotonic() < self._next_attempt_s:
            return False
        self._next_attempt_s = time.monotonic() + self._retry_after_s
        nvml.nvmlInit()
        self._is_open = True
        self._driver_version = nvml.nvmlSystemGetDriverVersion()
        return True

    def _close(self, status: str) -> None:
        if self._is_open:
            _log.warning("%s; trying again in %g s", status, self._retry_after_s)
            self._is_open = False
            self._cards.clear()
            self._xids.forget_handles()
            self._next_attempt_s = time.monotonic() + self._retry_after_s
            _shut_down()
        self._status = status

    def _find_card(self, index: int) -> None:
        if index in self._cards:
            return
        try:
            card = Card(index, self._driver_version)
        except nvml.NVMLError as error:
            _log.debug("GPU %d cannot be read: %s", index, error)
            return
        self._cards[index] = card
        self._xids.watch(card.handle, card.uuid)

    def _found(self, count: int) -> str:
        if count == 0:
            return "no NVIDIA GPU: the driver lists none"
        models = Counter(card.model for card in self._cards.values())
        parts = [f"{number} x {model}" for model, number in models.items()]
        if unreadable := count - len(self._cards):
            parts.append(f"{unreadable} that cannot be read")
        return f"{count} NVIDIA GPU{'s' if count > 1 else ''}: {', '.join(parts)}"

    def _dcgm_families(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for card in self._cards.values():
            values = card.values()
            xid = self._xids.last(card.uuid)
            if xid is not None:
                values.append((XID_FIELD, float(xid)))
            for field, value in values:
                family = families.setdefault(field.name, Metric(field.name, field.help, field.type))
                family.add_sample(field.name, card.labels, value)
        return families.values()

    def _throttle_family(self) -> Metric:
        family = GaugeMetricFamily(
            "tocsin_gpu_throttle_reason", "Whether this reason holds the clocks down at this moment."
        )
        for card in self._cards.values():
            for reason, state in card.throttle_states().items():
                family.add_sample(family.name, {**card.labels, "reason": reason}, state)
        return family


def _devices_family(count: int) -> Metric:
    return GaugeMetricFamily("tocsin_gpu_devices", "NVIDIA GPUs in this machine.", value=count)


def _shut_down() -> None:
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        _log.debug("NVML could not be shut down: %s", error)


def _why_none(error: nvml.NVMLError) -> str:
    if isinstance(error, nvml.NVMLError_LibraryNotFound):
        return "no NVIDIA GPU: libnvidia-ml.so.1 was not found"
    if isinstance(error, nvml.NVMLError_DriverNotLoaded):
        return "no NVIDIA GPU: the NVIDIA driver is not loaded"
    return f"no NVIDIA GPU can be read: {error}"
