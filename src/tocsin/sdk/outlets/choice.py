"""Which outlet a monitor has."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets.outlet import Outlet
from tocsin.sdk.outlets.text_push import TextPush


def chosen_outlet(
    destination: Destination | None, names: Names, labels: Mapping[str, str], guard: Guard
) -> Outlet | None:
    """The server that ``destination`` finds; None when there is nowhere to send to."""
    return None if destination is None else TextPush(destination, names, labels, guard)
