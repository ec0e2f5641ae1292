"""Which outlet a monitor has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets.outlet import Outlet
from tocsin.sdk.outlets.text_push import TextPush

# What is rarely used is imported where it is, so that all others begin some milliseconds earlier.

_OFFLINE: Final = "TOCSIN_OFFLINE"
_OTLP: Final = ("TOCSIN_OTLP_URL", "TOCSIN_OTLP")


def chosen_outlet(
    destination: Destination | None, names: Names, labels: Mapping[str, str], guard: Guard
) -> Outlet | None:
    """What the environment asks for, else the server that ``destination`` finds; None when there is neither.

    ``TOCSIN_OFFLINE`` counts for more than OTLP, and OTLP for more than a tocsin: whoever starts a program
    decides, not whoever wrote it. Raises ConfigError when a variable has a value that is not allowed.
    """
    asked_for = _file(names, labels, guard) or _otlp(names, labels, guard)
    if asked_for is not None:
        return asked_for
    return None if destination is None else TextPush(destination, names, labels, guard)


def _file(names: Names, labels: Mapping[str, str], guard: Guard) -> Outlet | None:
    if not os.environ.get(_OFFLINE):
        return None
    from tocsin.sdk.outlets.run_file import RunFile, limit_bytes, offline_folder  # noqa: PLC0415

    folder = offline_folder()
    return None if folder is None else RunFile(folder, names, labels, guard, limit_bytes(guard))


def _otlp(names: Names, labels: Mapping[str, str], guard: Guard) -> Outlet | None:
    if not any(map(os.environ.get, _OTLP)):
        return None
    from tocsin.sdk.outlets.otlp import Otlp  # noqa: PLC0415
    from tocsin.sdk.outlets.otlp_settings import OtlpSettings  # noqa: PLC0415

    settings = OtlpSettings.read()
    return None if settings is None else Otlp(settings, names, labels, guard)
