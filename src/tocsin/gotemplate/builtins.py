"""The functions that Go's text/template itself provides; ``and`` and ``or`` are the evaluator's."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote_plus

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.signature import Signature
from tocsin.gotemplate.values import Record, SafeHtml, SafeUrl, Value, display, is_true, printf


def go_print(*values: Value) -> str:
    """Write values as Go's ``fmt.Sprint`` does: with a space between two that are no text."""
    text = ""
    for index, value in enumerate(values):
        between = index and not isinstance(value, str) and not isinstance(values[index - 1], str)
        text += (" " if between else "") + display(value)
    return text


def _println(*values: Value) -> str:
    return " ".join(display(value) for value in values) + "\n"


def _length(value: Value) -> int:
    match value:
        case str():
            return len(value.encode())
        case Mapping() | Sequence():
            return len(value)
    raise TemplateError(f"len of a value without length: {display(value)}")


def _index(value: Value, *keys: Value) -> Value:
    for key in keys:
        value = _element(value, key)
    return value


def _element(value: Value, key: Value) -> Value:
    match value, key:
        case Mapping(), str():
            return value.get(key, "")
        case ((str() | Sequence()), int()):
            items = value.encode() if isinstance(value, str) else value
            if not 0 <= key < len(items):
                raise TemplateError(f"index out of range: {key}")
            return items[key]
    raise TemplateError(f"cannot index {display(value)} with {display(key)}")


def _slice(value: Value, *bounds: int) -> Value:
    if isinstance(value, Record | Mapping) or not isinstance(value, Sequence) or len(bounds) > 2:
        raise TemplateError(f"cannot slice {display(value)}")
    start, end = (*bounds, *(0, len(value))[len(bounds) :])
    if not 0 <= start <= end <= len(value):
        raise TemplateError(f"slice bounds out of range [{start}:{end}]")
    return value[start:end]


def _kind(value: Value) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "str"
        case int():
            return "int"
        case float():
            return "float"
        case None:
            return "nil"
    raise TemplateError("invalid type for comparison")


def _equal(first: Value, *others: Value) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    return any(_is_equal(first, other) for other in others)


def _is_equal(one: Value, other: Value) -> bool:
    if _kind(one) != _kind(other) and "nil" not in {_kind(one), _kind(other)}:
        raise TemplateError("incompatible types for comparison")
    return one == other


def _less(one: Value, other: Value) -> bool:
    if _kind(one) != _kind(other):
        raise TemplateError("incompatible types for comparison")
    match one, other:
        case ((int() | float()), (int() | float())) if not isinstance(one, bool):
            return one < other
        case str(), str():
            return one < other
    raise TemplateError("invalid type for comparison")


def _less_or_equal(one: Value, other: Value) -> bool:
    return _less(one, other) or _is_equal(one, other)


def _greater(one: Value, other: Value) -> bool:
    return not _less_or_equal(one, other)


def _greater_or_equal(one: Value, other: Value) -> bool:
    return not _less(one, other)


def _call(function: Value, *arguments: Value) -> Value:
    if isinstance(function, Record) or not callable(function):
        raise TemplateError("call of a value that is no function")
    return function(*arguments)


def _escaped(escape: Callable[[str], str]) -> Signature:
    """What is escaped already is not escaped again where HTML is written."""
    return Signature(lambda *values: escape(go_print(*values)), ("any",), is_variadic=True)


def _html(text: str) -> str:
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


BUILTINS: Final[Mapping[str, Signature]] = {
    "call": Signature(_call, ("any", "any"), is_variadic=True),
    "eq": Signature(_equal, ("any", "any"), is_variadic=True),
    "ge": Signature(_greater_or_equal, ("any", "any")),
    "gt": Signature(_greater, ("any", "any")),
    "html": _escaped(lambda text: SafeHtml(_html(text))),
    "index": Signature(_index, ("any", "any"), is_variadic=True),
    "js": _escaped(lambda text: json.dumps(text, ensure_ascii=False)[1:-1]),
    "le": Signature(_less_or_equal, ("any", "any")),
    "len": Signature(_length, ("any",)),
    "lt": Signature(_less, ("any", "any")),
    "ne": Signature(lambda one, other: not _is_equal(one, other), ("any", "any")),
    "not": Signature(lambda value: not is_true(value), ("any",)),
    "print": Signature(go_print, ("any",), is_variadic=True),
    "printf": Signature(printf, ("string", "any"), is_variadic=True),
    "println": Signature(_println, ("any",), is_variadic=True),
    "slice": Signature(_slice, ("any", "int"), is_variadic=True),
    "urlquery": _escaped(lambda text: SafeUrl(quote_plus(text))),
}
