"""Labels that whoever starts a program gives to all its series, by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from tocsin.sdk.guard import Guard

VARIABLE: Final = "TOCSIN_LABELS"
"""Such as ``experiment=demo_1,task=train``; commas and signs in a value are written ``%2C``."""


def labels_of_environment(guard: Guard, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What :data:`VARIABLE` says; a part that is no label is left out and said once."""
    labels: dict[str, str] = {}
    for part in filter(None, environment.get(VARIABLE, "").split(",")):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            labels[name.strip()] = unquote(value.strip())
        else:
            guard.tell_once(
                VARIABLE, f'"{part}" in {VARIABLE} is left out (allowed are parts such as task=train)'
            )
    return labels
