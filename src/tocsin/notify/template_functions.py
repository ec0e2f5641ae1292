"""The functions that Alertmanager adds to Go's templates.

Source: prometheus.io/docs/alerting/latest/notifications.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from tocsin.gotemplate import (
    BUILTINS,
    Duration,
    Record,
    SafeHtml,
    SafeUrl,
    Signature,
    TemplateError,
    Time,
    Value,
)
from tocsin.gotemplate.values import display
from tocsin.model import Clock
from tocsin.model.regex import Pattern, compile_regex, expand
from tocsin.rules.template.humanize import humanize_duration

_WORD: Final = re.compile(r"[^\W_](?:['\u2019.](?=[^\W\d_])|\w)*")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)


def functions(clock: Clock) -> Mapping[str, Signature]:
    """All functions; ``since`` asks the clock."""

    def since(time: Time) -> Duration:
        return Time.at_ms(clock.now_ms()).minus(time)

    return {**_FUNCTIONS, "since": Signature(since, (Time,))}


def _compile(pattern: str) -> Pattern:
    try:
        return compile_regex(pattern, dot_takes_newlines=False)
    except ValueError as error:
        raise TemplateError(str(error)) from error


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    return _compile(pattern).sub(lambda match: expand(replacement, match), text)


def _per_character(text: str, *, is_upper: bool) -> str:
    """Go changes each character into one other: ``ß`` has no upper case."""
    changed = [(sign.upper() if is_upper else sign.lower(), sign) for sign in text]
    return "".join(new if len(new) == 1 else sign for new, sign in changed)


def _title(text: str) -> str:
    return _WORD.sub(lambda word: word.group()[0].title() + word.group()[1:].lower(), text)


def _join(separator: str, texts: Sequence[Value]) -> str:
    if not all(isinstance(text, str) for text in texts):
        raise TemplateError("wrong type for value of join; expected []string")
    return separator.join(display(text) for text in texts)


def _url_unescape(text: str) -> str:
    if bad := _BAD_ESCAPE.search(text):
        raise TemplateError(f'invalid URL escape "{bad.group()}"')
    return unquote_plus(text, errors="replace")


def _in_zone(name: str, time: Time) -> Time:
    try:
        return time.in_zone(ZoneInfo("UTC" if name in {"", "UTC"} else name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TemplateError(f'unknown time zone "{name}"') from None


def _humanize_duration(value: Value) -> str:
    return humanize_duration(value / 1e9 if isinstance(value, Duration) else value)


def _to_json(value: Value) -> str:
    try:
        return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError) as error:
        raise TemplateError(f"toJson: {error}") from error


def _plain(value: Value) -> Any:
    """A value of which JSON can be made, with names as Alertmanager writes them."""
    match value:
        case Time():
            return value.format("2006-01-02T15:04:05.999999999Z07:00")
        case Duration():
            return int(value)
        case Record():
            is_pair = value.type_name == "template.Pair"
            return {
                name if is_pair else _json_name(name): _plain(field) for name, field in value.fields.items()
            }
        case str():
            return str(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case Sequence():
            return [_plain(each) for each in value]
    return value


def _json_name(name: str) -> str:
    return name[0].lower() + name[1:]


def _dict(*pairs: Value) -> dict[str, Value]:
    if len(pairs) % 2:
        raise TemplateError("dict: a value is missing behind the last name")
    names, values = pairs[::2], pairs[1::2]
    for name in names:
        if not isinstance(name, str):
            raise TemplateError(f"dict: a name must be text, not {display(name)}")
    return dict(zip(map(str, names), values, strict=True))


_FUNCTIONS: Final[Mapping[str, Signature]] = {
    **BUILTINS,
    "append": Signature(lambda values, *more: [*values, *more], ("slice", "any"), is_variadic=True),
    "date": Signature(lambda layout, time: time.format(layout), ("string", Time)),
    "dict": Signature(_dict, ("any",), is_variadic=True),
    "humanizeDuration": Signature(_humanize_duration, ("any",)),
    "join": Signature(_join, ("string", "slice")),
    "list": Signature(lambda *values: list(values), ("any",), is_variadic=True),
    "match": Signature(lambda pattern, text: bool(_compile(pattern).search(text)), ("string", "string")),
    "reReplaceAll": Signature(_replace_all, ("string", "string", "string")),
    "safeHtml": Signature(SafeHtml, ("string",)),
    "safeUrl": Signature(SafeUrl, ("string",)),
    "stringSlice": Signature(lambda *texts: list(texts), ("string",), is_variadic=True),
    "title": Signature(_title, ("string",)),
    "toJson": Signature(_to_json, ("any",)),
    "toLower": Signature(lambda text: _per_character(text, is_upper=False), ("string",)),
    "toUpper": Signature(lambda text: _per_character(text, is_upper=True), ("string",)),
    "trimSpace": Signature(lambda text: text.strip(), ("string",)),
    "tz": Signature(_in_zone, ("string", Time)),
    "urlUnescape": Signature(_url_unescape, ("string",)),
}
