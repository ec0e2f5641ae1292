"""Values that keys of several channels have: secrets, files, addresses and durations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_\u0080-\U0010ffff].*", re.DOTALL)
_HOST_PORT: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*):([^\[\]:]+)", re.DOTALL)


def _none_when_empty(value: object) -> object:
    return None if value == "" else value


def _host_port(value: str) -> str:
    if value and not _HOST_PORT.fullmatch(value):
        raise ValueError(
            f'"{value}" is not a host and a port (allowed are forms such as mail.example.com:587)'
        )
    return value


def checked_label_name(value: str) -> str:
    """Give a label name back as it is; raises ValueError with one sentence when it is none."""
    if not _LABEL_NAME.fullmatch(value):
        raise ValueError(f'not a label name: "{value}" (it begins with a letter or _)')
    return value


Text: TypeAlias = Annotated[str, Field(min_length=1)]
"""A text that is not empty."""

Secret: TypeAlias = Annotated[SecretStr | None, BeforeValidator(_none_when_empty)]
"""A text that is never shown; an empty one counts as absent."""

SecretFile: TypeAlias = Annotated[Path | None, BeforeValidator(_none_when_empty)]
"""The file that a secret stands in; an empty name counts as absent."""

HostPort: TypeAlias = Annotated[str, AfterValidator(_host_port)]
"""A host and its port, such as ``mail.example.com:587`` or ``[::1]:25``; empty when not set."""

AnyLabelName: TypeAlias = Annotated[str, AfterValidator(checked_label_name)]
"""A label name, which need not be one of the classic kind: ``service.name`` and ``größe`` are allowed."""


def exactly_one(**choices: object) -> None:
    """Raise ValueError unless exactly one of several keys has a value."""
    if sum(bool(value) for value in choices.values()) != 1:
        raise ValueError(f"one of {' and '.join(choices)} is needed, and not both")


def only_one(**choices: object) -> None:
    """Raise ValueError when more than one of several keys has a value."""
    given = [name for name, value in choices.items() if value]
    if len(given) > 1:
        raise ValueError(f"only one of {' and '.join(given)} is allowed")
