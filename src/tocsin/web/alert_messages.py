"""Alerts and silences as the messages of Alertmanager's API have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from tocsin.alerts import Alert, Silence
from tocsin.errors import ParseError
from tocsin.model import Labels, Matcher, MatchType
from tocsin.model.regex import checked_regex
from tocsin.model.timestamps import format_with_milliseconds
from tocsin.web.message_error import TOO_FEW_ITEMS, MessageError, invalid, malformed, required

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def read_alerts(body: bytes, now_ms: int) -> tuple[list[Alert], list[ParseError]]:
    """The alerts of a report that are right, and an error for each that is not.

    Raises MessageError when the body is no list of alerts.
    """
    content = _json(body, "alerts")
    if not isinstance(content, list):
        raise malformed("the body must be a JSON list of alerts")
    alerts: list[Alert] = []
    faults: list[ParseError] = []
    for index, item in enumerate(content):
        try:
            alerts.append(_alert(item, now_ms))
        except MessageError as error:
            faults.append(error.within(f"alert {index}"))
        except ParseError as error:
            faults.append(ParseError(f"alert {index}: {error}"))
    return alerts, faults


def _alert(item: object, now_ms: int) -> Alert:
    if not isinstance(item, dict):
        raise malformed("it is not a JSON object")
    if item.get("labels") is None:
        raise required("labels")
    labels = Labels(_texts(item, "labels"))
    if not labels:
        raise ParseError("it has no label with a value")
    starts_at_ms, ends_at_ms = _time_ms(item, "startsAt"), _time_ms(item, "endsAt")
    if starts_at_ms is None:
        starts_at_ms = now_ms if ends_at_ms is None else min(now_ms, ends_at_ms)
    if ends_at_ms is not None and ends_at_ms < starts_at_ms:
        raise ParseError("its start is after its end")
    annotations = {name: value for name, value in _texts(item, "annotations").items() if value}
    return Alert(labels, annotations, starts_at_ms, ends_at_ms, _text(item, "generatorURL"))


def read_silence(body: bytes, now_ms: int) -> Silence:
    """A silence that is to be made or changed; ``now_ms`` stands for no start.

    Raises MessageError when it is not as the API describes it, otherwise ParseError.
    """
    content = _json(body, "silence")
    if not isinstance(content, dict):
        raise malformed("the body must be a JSON object")
    for key in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if content.get(key) is None:
            raise required(key)
    starts_at_ms, ends_at_ms = _time_ms(content, "startsAt"), _time_ms(content, "endsAt")
    if ends_at_ms is None:
        raise ParseError("the end of a silence must be after its start, and endsAt is no time at all")
    return Silence(
        matchers=_matchers(content["matchers"]),
        starts_at_ms=now_ms if starts_at_ms is None else starts_at_ms,
        ends_at_ms=ends_at_ms,
        created_by=_text(content, "createdBy"),
        comment=_text(content, "comment"),
        id=_text(content, "id"),
        until_cleared=content.get("untilCleared") is True,
    )


def _matchers(content: object) -> tuple[Matcher, ...]:
    if not isinstance(content, list):
        raise malformed("matchers is not a list")
    if not content:
        raise invalid("matchers in body should have at least 1 items", code=TOO_FEW_ITEMS)
    for index, item in enumerate(content):
        if not isinstance(item, dict):
            raise malformed(f"matchers.{index} is not a JSON object")
        for key in ("isRegex", "name", "value"):
            if item.get(key) is None:
                raise required(f"matchers.{index}.{key}")
        for key in ("isRegex", "isEqual"):
            if not isinstance(item.get(key), bool | None):
                raise malformed(f"matchers.{index}.{key} is neither true nor false")
    return tuple(map(read_matcher, content))


def silence_as_json(silence: Silence, now_ms: int) -> dict[str, Any]:
    """A silence as it is answered."""
    return {
        "id": silence.id,
        "status": {"state": silence.state(now_ms)},
        "updatedAt": format_with_milliseconds(silence.updated_at_ms),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": format_with_milliseconds(silence.ends_at_ms),
        "matchers": list(map(matcher_as_json, silence.matchers)),
        "startsAt": format_with_milliseconds(silence.starts_at_ms),
        **({"untilCleared": True} if silence.until_cleared else {}),
    }


def matcher_as_json(matcher: Matcher) -> dict[str, Any]:
    """A matcher of a silence as it is sent and answered."""
    return {
        "isEqual": matcher.type in {MatchType.EQUAL, MatchType.REGEX},
        "isRegex": matcher.type in {MatchType.REGEX, MatchType.NOT_REGEX},
        "name": matcher.name,
        "value": matcher.value,
    }


def read_matcher(item: object) -> Matcher:
    """A matcher of a silence; raises ParseError."""
    if not isinstance(item, dict) or not item.get("name") or not isinstance(item["name"], str):
        raise ParseError("a matcher needs a name")
    value = _text(item, "value")
    is_regex, is_equal = item.get("isRegex") is True, item.get("isEqual") is not False
    if not is_regex:
        return Matcher(item["name"], MatchType.EQUAL if is_equal else MatchType.NOT_EQUAL, value)
    try:
        return Matcher(
            item["name"], MatchType.REGEX if is_equal else MatchType.NOT_REGEX, checked_regex(value)
        )
    except ValueError as error:
        raise ParseError(f'the matcher of "{item["name"]}": {error}') from error


def _json(body: bytes, name: str) -> object:
    try:
        content = orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        raise malformed(f"the body is not JSON: {error}") from error
    if content is None:
        raise required(name)
    return content


def _texts(item: Mapping[str, Any], key: str) -> dict[str, str]:
    content = item.get(key) or {}
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise malformed(f"{key} is not an object of texts")
    if "" in content:
        raise ParseError(f"{key} has an empty name")
    return content


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key) or ""
    if not isinstance(value, str):
        raise malformed(f"{key} is not a text")
    return value


def _time_ms(item: Mapping[str, Any], key: str) -> int | None:
    """A time in RFC 3339, None when it is missing or Go's zero time."""
    text = _text(item, key)
    if not text:
        return None
    try:
        moment = _moment(text)
    except ValueError as error:
        raise malformed(f'{key} is "{text[:80]}" (it must be a time such as 2026-01-31T12:00:00Z)') from error
    return None if moment.year == 1 else (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(text: str) -> datetime:
    """Read RFC 3339 with any number of digits of a second; raises ValueError."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    fraction = (match[2] or ".0")[:7]
    return datetime.fromisoformat(f"{match[1]}{fraction:0<7}{match[3].upper().replace('Z', '+00:00')}")
