"""The last XID error of each card: what the driver says when a GPU, its memory or its bus fails.

NVIDIA lists the numbers at https://docs.nvidia.com/deploy/xid-errors/.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import pynvml as nvml

from tocsin.collect.dcgm import Field, Handle

XID_FIELD: Final = Field("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.")

_MAX_EVENTS: Final = 1000
"""As many are taken in one look, so that a storm of errors cannot hold up the collection."""


class XidWatch:
    """Gathers XID errors from NVML's event queue and remembers the last of each card, by UUID.

    A card that can report XID errors starts with 0, as in DCGM; one that cannot has no value.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._uuid_by_address: dict[int, str] = {}
        self._events: Any = None

    def watch(self, card: Handle, uuid: str) -> None:
        """Begin to listen to a card."""
        try:
            if self._events is None:
                self._events = nvml.nvmlEventSetCreate()
            nvml.nvmlDeviceRegisterEvents(card, nvml.nvmlEventTypeXidCriticalError, self._events)
        except nvml.NVMLError:
            return
        self._uuid_by_address[_address(card)] = uuid
        self._last.setdefault(uuid, 0)

    def poll(self) -> None:
        """Take what has been queued since the last look; never waits."""
        if self._events is None:
            return
        for _ in range(_MAX_EVENTS):
            try:
                event = nvml.nvmlEventSetWait_v2(self._events, 0)
            except nvml.NVMLError:
                # Timeout says that the queue is empty; any other error leaves the last values as they are.
                return
            uuid = self._uuid_by_address.get(_address(event.device))
            if uuid is not None:
                self._last[uuid] = event.eventData

    def last(self, uuid: str) -> int | None:
        """The last XID error of a card, 0 before the first, None where there is none to be had."""
        return self._last.get(uuid)

    def forget_handles(self) -> None:
        """The library has been shut down: handles and event queue are void, the values remain."""
        self._events = None
        self._uuid_by_address.clear()


def _address(card: Handle) -> int:
    return ctypes.cast(card, ctypes.c_void_p).value or 0
