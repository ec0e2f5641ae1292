"""What short forms have in common: an unknown key names those that are known, and seconds may be plain."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, ValidationError, model_validator

from tocsin.config.model import ConfigModel, DurationMs, PositiveDurationMs

_SECONDS: Final = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)


class ShortModel(ConfigModel):
    """A part of a short form. Its parts stand under names that users choose, which no schema lists."""

    @model_validator(mode="before")
    @classmethod
    def _knows_its_keys(cls, data: Any) -> Any:
        known = sorted(field.alias or name for name, field in cls.model_fields.items())
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                raise fault(f"unknown key (allowed: {', '.join(known)})", key, data[key])
        return data


def fault(sentence: str, key: str, value: object) -> ValidationError:
    """An error at a key below the place where it is raised."""
    return ValidationError.from_exception_data(
        key, [{"type": "value_error", "loc": (key,), "input": value, "ctx": {"error": ValueError(sentence)}}]
    )


def _plain_seconds(value: object) -> object:
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        return round(float(value) * 1000)
    return value


ShortDurationMs: TypeAlias = Annotated[DurationMs, BeforeValidator(_plain_seconds)]
"""A duration such as ``5m``, or a plain number of seconds; held in milliseconds."""

PositiveShortDurationMs: TypeAlias = Annotated[PositiveDurationMs, BeforeValidator(_plain_seconds)]
"""A short duration that must be longer than zero."""
