"""Which outlet a monitor has."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.sdk.discovery import Destination
from tocsin.sdk.guard import Guard
from tocsin.sdk.names import Names
from tocsin.sdk.outlets.otlp import Otlp
from tocsin.sdk.outlets.otlp_settings import OtlpSettings
from tocsin.sdk.outlets.outlet import Outlet
from tocsin.sdk.outlets.run_file import RunFile, limit_bytes, offline_folder
from tocsin.sdk.outlets.text_push import TextPush


def chosen_outlet(
    destination: Destination | None, names: Names, labels: Mapping[str, str], guard: Guard
) -> Outlet | None:
    """What the environment asks for, else the server that ``destination`` finds; None when there is neither.

    ``TOCSIN_OFFLINE`` counts for more than OTLP, and OTLP for more than a tocsin: whoever starts a program
    decides, not whoever wrote it. Raises ConfigError when a variable has a value that is not allowed.
    """
    folder = offline_folder()
    if folder is not None:
        return RunFile(folder, names, labels, guard, limit_bytes(guard))
    otlp = OtlpSettings.read()
    if otlp is not None:
        return Otlp(otlp, names, labels, guard)
    return None if destination is None else TextPush(destination, names, labels, guard)
