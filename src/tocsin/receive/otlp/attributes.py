"""Values of attributes as the text of a label."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tocsin.receive.otlp.numbers import json_number

# Go writes these as escapes, so that JSON may stand in a web page.
_ESCAPES: Final = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def attribute_text(value: Any) -> str:
    """A value as text: numbers in decimal, bytes in base64, lists and maps as JSON with sorted keys.

    Source: ``Value.AsString`` of OpenTelemetry's collector, which Prometheus' receiver uses.
    """
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return str(value.string_value)
    return _TEXT[kind](value) if kind in _TEXT else ""


def attribute_texts(attributes: Iterable[Any]) -> dict[str, str]:
    """Attributes by name; of two with the same name the first counts."""
    texts: dict[str, str] = {}
    for attribute in attributes:
        texts.setdefault(attribute.key, attribute_text(attribute.value))
    return texts


def _json(value: Any) -> str:
    """A value within a list or a map."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _quoted(value.string_value)
    if kind == "bytes_value":
        return _quoted(_TEXT[kind](value))
    return _TEXT[kind](value) if kind in _TEXT else "null"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPES)


def _array(value: Any) -> str:
    return f"[{','.join(_json(each) for each in value.array_value.values)}]"


def _map(value: Any) -> str:
    entries = {each.key: each.value for each in value.kvlist_value.values}
    return f"{{{','.join(f'{_quoted(key)}:{_json(entries[key])}' for key in sorted(entries))}}}"


_TEXT: Final[Mapping[str, Callable[[Any], str]]] = {
    "bool_value": lambda value: "true" if value.bool_value else "false",
    "int_value": lambda value: str(value.int_value),
    "double_value": lambda value: json_number(value.double_value),
    "bytes_value": lambda value: base64.b64encode(value.bytes_value).decode(),
    "array_value": _array,
    "kvlist_value": _map,
}
