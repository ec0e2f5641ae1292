"""Values that keys of several channels have: secrets, files, addresses and durations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_\u0080-\U0010ffff].*", re.DOTALL)
_HOST_PORT: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*):([^\[\]:]+)", re.DOTALL)
_GO_DURATION: Final = re.compile(r"\+?(?:0|(?:(?:\d++\.?\d*+|\.\d++)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_GO_PART: Final = re.compile(r"(\d++\.?\d*+|\.\d++)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_GO_UNIT_MS: Final = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "μs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "m": 6e4,
    "h": 3.6e6,
}


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


def _go_duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _GO_DURATION.fullmatch(value):
        raise ValueError(f'not a duration: "{value}" (allowed are forms such as 10s, 1.5m or 1h30m)')
    try:
        return round(sum(float(count) * _GO_UNIT_MS[unit] for count, unit in _GO_PART.findall(value)))
    except OverflowError:
        raise ValueError(f'the duration "{value[:80]}" is too long') from None


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

GoDurationMs: TypeAlias = Annotated[int, BeforeValidator(_go_duration)]
"""A duration in Go's notation, such as ``1.5m``, held in milliseconds."""


def exactly_one(**choices: object) -> None:
    """Raise ValueError unless exactly one of several keys has a value."""
    if sum(bool(value) for value in choices.values()) != 1:
        raise ValueError(f"one of {' and '.join(choices)} is needed, and not both")


def only_one(**choices: object) -> None:
    """Raise ValueError when more than one of several keys has a value."""
    given = [name for name, value in choices.items() if value]
    if len(given) > 1:
        raise ValueError(f"only one of {' and '.join(given)} is allowed")
