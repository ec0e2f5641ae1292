"""What a template's function takes, checked at each call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.values import Object, Record, Value, type_name

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "any": object,
    "bool": bool,
    "float64": (float, int),
    "int": int,
    "map": Mapping,
    "slice": Sequence,
    "string": str,
    "struct": Record,
}


@dataclass(frozen=True, slots=True)
class Signature:
    """A function and the types of its parameters: names of :data:`_TYPES`, or kinds of objects.

    With ``is_variadic`` the last parameter may be given any number of times.
    """

    function: Callable[..., Value]
    parameters: tuple[str | type[Object], ...] = ()
    is_variadic: bool = False

    def call(self, name: str, *arguments: Value) -> Value:
        """Call the function; raises TemplateError when the arguments do not fit or it fails."""
        self._check_count(name, len(arguments))
        last = self.parameters[-1:] * (len(arguments) - len(self.parameters))
        for wanted, argument in zip((*self.parameters, *last), arguments, strict=False):
            _check_type(name, wanted, argument)
        return self.function(*arguments)

    def _check_count(self, name: str, count: int) -> None:
        wanted = len(self.parameters)
        if self.is_variadic and count < wanted - 1:
            raise TemplateError(f"wrong number of args for {name}: want at least {wanted - 1} got {count}")
        if not self.is_variadic and count != wanted:
            raise TemplateError(f"wrong number of args for {name}: want {wanted} got {count}")


def bind(methods: Mapping[str, Signature], value: Value, name: str) -> Callable[..., Value] | None:
    """A method of a value, if it has one of that name; the functions take the value first."""
    signature = methods.get(name)
    if signature is None:
        return None
    bound = Signature(partial(signature.function, value), signature.parameters, signature.is_variadic)
    return partial(bound.call, name)


def _check_type(name: str, wanted: str | type[Object], value: Value) -> None:
    if not isinstance(wanted, str):
        if not isinstance(value, wanted):
            raise TemplateError(_mismatch(name, wanted.go_type, value))
        return
    is_fitting = isinstance(value, _TYPES[wanted])
    if wanted in {"float64", "int"} and isinstance(value, bool):
        is_fitting = False
    if wanted == "slice" and isinstance(value, str):
        is_fitting = False
    if not is_fitting:
        raise TemplateError(_mismatch(name, wanted, value))


def _mismatch(name: str, wanted: str, value: Value) -> str:
    return f"wrong type for value of {name}; expected {wanted}; got {type_name(value)}"
