"""Reading the parameters of a request, from its URL or its form."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

from tocsin.errors import UsageError
from tocsin.model import parse_duration_ms

_MAX_FORM_BYTES: Final = 1 << 20
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
# Times further from 1970 than this many seconds (about 9 million years) overflow elsewhere.
_MAX_TIME_S: Final = 2.9e14
_NUMBER: Final = re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)([eE][+-]?\d+)?", re.ASCII)


class Parameters:
    """Named texts, each given once or several times."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> Parameters:
        """The parameters of the URL, and of the form when one was posted."""
        values = parse_qs(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if request.method == "POST":
            for name, texts in (await _form(request)).items():
                values.setdefault(name, []).extend(texts)
        return cls(values)

    def text(self, name: str) -> str:
        """A text that must be there."""
        text = self.optional(name)
        if text is None:
            raise UsageError(f'the parameter "{name}" is missing')
        return text

    def optional(self, name: str) -> str | None:
        """A text that may be missing; an empty one counts as missing."""
        texts = self._values.get(name)
        return texts[0] if texts and texts[0] else None

    def texts(self, name: str) -> list[str]:
        """All texts of that name."""
        return self._values.get(name, []) + self._values.get(f"{name}[]", [])

    def time_ms(self, name: str, default_ms: int | None = None) -> int:
        """A time: RFC 3339, or seconds since 1970 with or without a fraction."""
        text = self.optional(name)
        if text is None and default_ms is not None:
            return default_ms
        return _time_ms(name, self.text(name))

    def duration_ms(self, name: str) -> int | None:
        """A duration: ``5m``, or seconds with or without a fraction; None when it is missing."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            return round(float(text) * 1000) if _NUMBER.fullmatch(text) else parse_duration_ms(text)
        except (ValueError, OverflowError) as error:
            raise UsageError(f'invalid parameter "{name}": not a valid duration: "{text[:80]}"') from error

    def count(self, name: str) -> int | None:
        """A whole number from 0 on; None when it is missing."""
        text = self.optional(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 18):
            raise UsageError(f'invalid parameter "{name}": not a whole number from 0 on: "{text[:80]}"')
        return int(text)


async def _form(request: Request) -> dict[str, list[str]]:
    content_type = request.headers.get("content-type", _FORM_TYPE).partition(";")[0].strip().lower()
    if content_type != _FORM_TYPE:
        raise UsageError(f'the body must be a form ({_FORM_TYPE}), not "{content_type[:80]}"')
    body = await request.body()
    if len(body) > _MAX_FORM_BYTES:
        raise UsageError(f"the form has {len(body)} bytes; at most {_MAX_FORM_BYTES} are allowed")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000, errors="strict")
    except ValueError as error:
        raise UsageError("the body is not a form in UTF-8") from error


def _time_ms(name: str, text: str) -> int:
    try:
        seconds = float(text) if _NUMBER.fullmatch(text) else _rfc3339_s(text)
    except ValueError as error:
        raise UsageError(
            f'invalid parameter "{name}": cannot parse "{text[:80]}" to a valid timestamp '
            "(seconds since 1970, or a time such as 2026-01-31T12:00:00Z)"
        ) from error
    if not math.isfinite(seconds) or abs(seconds) > _MAX_TIME_S:
        raise UsageError(f'invalid parameter "{name}": the time "{text[:80]}" is out of range')
    return round(seconds * 1000)


def _rfc3339_s(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the zone is missing")
    return moment.astimezone(UTC).timestamp()
