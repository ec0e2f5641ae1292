"""The values of templates, and how Go prints them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final, TypeAlias

from tocsin.gotemplate.errors import TemplateError


@dataclass(frozen=True, slots=True)
class Record:
    """A value with named fields: Go's struct. Other than in a map, a field that is missing is an error."""

    type_name: str
    fields: Mapping[str, Value]


class Object:
    """A value with methods; what ``str`` makes of it is how Go prints it."""

    go_type: ClassVar[str] = "struct"

    def method(self, name: str) -> Callable[..., Value] | None:
        """The method of a name, bound to the value, if there is one."""
        return None


class SafeHtml(str):
    """Text that is HTML already, and written into HTML as it is."""

    __slots__ = ()


class SafeUrl(str):
    """An address that may have any scheme when it is written into an attribute of HTML."""

    __slots__ = ()


Value: TypeAlias = """(
    str | int | float | bool | Record | Object | Mapping[str, Value] | Sequence[Value]
    | Callable[..., Value] | None
)"""

_EXPONENT_FROM: Final = 6
"""The power of ten from which Go's shortest form is written with an exponent."""

_MAX_WIDTH: Final = 100_000

_VERB: Final = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?(?P<verb>.?)", re.DOTALL
)


def type_name(value: Value) -> str:
    """The name of a value's type in Go."""
    match value:
        case Object():
            return value.go_type
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "int"
        case float():
            return "float64"
        case None:
            return "<nil>"
        case Record():
            return value.type_name
        case Mapping():
            return "map[string]string"
        case Sequence():
            return "slice"
    return "func"


def is_true(value: Value) -> bool:
    """Whether a value counts as true: not false, zero, nil or empty."""
    return True if isinstance(value, Record) else bool(value)


def display(value: Value) -> str:
    """Write a value as Go's ``%v`` does."""
    match value:
        case Object():
            return str(value)
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return format_float(value)
        case None:
            return "<nil>"
        case Record():
            return "{" + " ".join(display(field) for field in value.fields.values()) + "}"
        case Mapping():
            return "map[" + " ".join(f"{name}:{display(value[name])}" for name in sorted(value)) + "]"
        case Sequence():
            return "[" + " ".join(display(item) for item in value) + "]"
    return str(value)


def format_float(value: float) -> str:
    """Write a number with the fewest digits that identify it, as Go's ``%v`` does.

    >>> format_float(0.25), format_float(1e6), format_float(123456789.0)
    ('0.25', '1e+06', '1.23456789e+08')
    """
    if not math.isfinite(value):
        return _not_finite(value)
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    parts = Decimal(repr(value)).normalize().as_tuple()
    last_digit = int(parts.exponent)
    exponent = len(parts.digits) - 1 + last_digit
    if -4 <= exponent < _EXPONENT_FROM:
        return f"{value:.{max(0, -last_digit)}f}"
    return f"{value:.{len(parts.digits) - 1}e}"


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def printf(template: str, *arguments: Value) -> str:
    """Go's ``fmt.Sprintf`` for the values that templates have.

    >>> printf("%.1f%% of %s", 12.345, "disk")
    '12.3% of disk'
    """
    remaining = list(arguments)
    text = _VERB.sub(lambda match: _expand(match, remaining), template)
    if remaining:
        listed = ", ".join(f"{type_name(value)}={display(value)}" for value in remaining)
        return f"{text}%!(EXTRA {listed})"
    return text


def _expand(match: re.Match[str], arguments: list[Value]) -> str:
    verb = match["verb"]
    if verb == "%":
        return "%"
    if not verb:
        return "%!(NOVERB)"
    width = _size(match["width"], arguments)
    precision = _size(match["precision"], arguments) if match["precision"] is not None else None
    if not arguments:
        return f"%!{verb}(MISSING)"
    text = _apply(verb, match["flags"], precision, arguments.pop(0))
    return _pad(text, match["flags"], width)


def _size(text: str | None, arguments: list[Value]) -> int:
    size = (arguments.pop(0) if arguments else None) if text == "*" else int((text or "0")[:10])
    if not isinstance(size, int):
        raise TemplateError("printf: the width or precision of a * must be a whole number")
    if size > _MAX_WIDTH:
        raise TemplateError(f"printf: a width or precision of {size} is more than {_MAX_WIDTH}")
    return size


def _apply(verb: str, flags: str, precision: int | None, value: Value) -> str:
    sign = "+" if "+" in flags else (" " if " " in flags else "")
    if verb == "v":
        return display(value)
    if verb in "sq" and isinstance(value, str):
        cut = value if precision is None else value[:precision]
        return cut if verb == "s" else json.dumps(cut, ensure_ascii=False)
    if verb == "t" and isinstance(value, bool):
        return display(value)
    if isinstance(value, float) and verb in "fFeEgG":
        return _float(verb, sign, precision, value)
    if isinstance(value, int) and not isinstance(value, bool) and verb in "dxXob":
        return format(value, f"{sign}{verb}")
    if isinstance(value, str) and verb in "xX":
        return format(int.from_bytes(value.encode()), f"0{2 * len(value.encode())}{verb}") if value else ""
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str) and verb == "s":
        return display(value)
    return f"%!{verb}({type_name(value)}={display(value)})" if value is not None else f"%!{verb}(<nil>)"


def _float(verb: str, sign: str, precision: int | None, value: float) -> str:
    if not math.isfinite(value):
        return _not_finite(value) if sign or not value > 0 else "+Inf"
    if verb in "gG" and precision is None:
        return sign * (value >= 0) + format_float(value)
    return format(value, f"{sign}.{6 if precision is None else precision}{verb}")


def _pad(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags:
        return text.zfill(width)
    return text.rjust(width)
