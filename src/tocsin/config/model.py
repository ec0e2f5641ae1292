"""What every configuration model has in common: strict keys, durations, and errors in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from pydantic_core import ErrorDetails

from tocsin.config.source import Source
from tocsin.errors import ConfigError
from tocsin.model import format_duration_ms, parse_duration_ms

M = TypeVar("M", bound=BaseModel)

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


class ConfigModel(BaseModel):
    """A part of a configuration file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _duration(value: object) -> object:
    return parse_duration_ms(value) if isinstance(value, str) else value


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("a duration longer than 0 is needed")
    return value


def _label_name(value: str) -> str:
    if not _LABEL_NAME.fullmatch(value):
        raise ValueError(f'not a label name: "{value}" (letters, digits and _, not starting with a digit)')
    return value


DurationMs: TypeAlias = Annotated[
    int, BeforeValidator(_duration), PlainSerializer(format_duration_ms, when_used="json")
]
"""A duration such as ``5m``, held in milliseconds and written as it was."""

PositiveDurationMs: TypeAlias = Annotated[DurationMs, AfterValidator(_positive)]
"""A duration that must be longer than zero."""

LabelName: TypeAlias = Annotated[str, AfterValidator(_label_name)]


def validate(model: type[M], source: Source, context: object = None) -> M:
    """Read a YAML source as a model; raises ConfigError naming file, line and key of the first fault."""
    try:
        return model.model_validate(source.data if source.data is not None else {}, context=context)
    except ValidationError as error:
        first = error.errors()[0]
        raise _explain(first, model, source) from error


def located(part: M, folder: Path) -> M:
    """Make every relative file name, here and in the parts below, relative to a folder."""
    changes = {name: new for name, value in part if (new := _located(value, folder)) is not value}
    return part.model_copy(update=changes) if changes else part


def _located(value: Any, folder: Path) -> Any:
    match value:
        case Path():
            return folder / value
        case BaseModel():
            return located(value, folder)
        case tuple() if any(isinstance(item, Path | BaseModel) for item in value):
            return tuple(_located(item, folder) for item in value)
        case _:
            return value


def _explain(details: ErrorDetails, model: type[BaseModel], source: Source) -> ConfigError:
    place = [part for part in details["loc"] if _is_written(part, source)]
    write = _SENTENCES.get(details["type"], _other)
    return source.error(write(details, model), place)


def _is_written(part: str | int, source: Source) -> bool:
    """Leave out what pydantic adds to a place: the names of union members and validators."""
    return isinstance(part, int) or any(part in place for place in source.lines) or "[" not in part


def _name(place: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the file"


def _unknown_key(details: ErrorDetails, model: type[BaseModel]) -> str:
    *parent, key = details["loc"]
    where = f" in {_name(parent)}" if parent else ""
    allowed = _allowed_keys(model, parent)
    return f'unknown key "{key}"{where}' + (f" (allowed: {', '.join(allowed)})" if allowed else "")


def _missing_key(details: ErrorDetails, _model: type[BaseModel]) -> str:
    *parent, key = details["loc"]
    return f'the key "{key}" is missing in {_name(parent)}'


def _expected(what: str) -> Callable[[ErrorDetails, type[BaseModel]], str]:
    def write(details: ErrorDetails, _model: type[BaseModel]) -> str:
        return f"{_name(details['loc'])} must be {what}, not {_shown(details['input'])}"

    return write


def _value_error(details: ErrorDetails, _model: type[BaseModel]) -> str:
    return f"{_name(details['loc'])}: {details['ctx']['error']}"


def _other(details: ErrorDetails, _model: type[BaseModel]) -> str:
    message = details["msg"][:1].lower() + details["msg"][1:]
    return f"{_name(details['loc'])}: {message}, not {_shown(details['input'])}"


def _shown(value: Any) -> str:
    match value:
        case str():
            return f'"{value[:80]}"'
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)


def _allowed_keys(model: type[BaseModel], parent: Sequence[str | int]) -> list[str]:
    """The keys of the model at a place, found by walking the JSON schema; empty when it is not plain."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    node: Any = schema
    for part in parent:
        node = _resolve(node, definitions)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return sorted(_resolve(node, definitions).get("properties", {}))


def _resolve(node: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, through an optional, to the schema of an object or a list."""
    for choice in node.get("anyOf", [node]):
        found: dict[str, Any] = definitions.get(choice.get("$ref", "").rpartition("/")[2], choice)
        if found.get("type") in {"object", "array"}:
            return found
    return {}


_SENTENCES: Final[dict[str, Callable[[ErrorDetails, type[BaseModel]], str]]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "value_error": _value_error,
    "bool_parsing": _expected("true or false"),
    "dict_type": _expected("a mapping"),
    "float_parsing": _expected("a number"),
    "int_parsing": _expected("a whole number"),
    "int_type": _expected("a duration such as 15s"),
    "list_type": _expected("a list"),
    "model_type": _expected("a mapping"),
    "string_type": _expected("text"),
    "tuple_type": _expected("a list"),
}
