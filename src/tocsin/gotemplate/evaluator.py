"""Expands a template's syntax tree (Go's text/template/exec)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.nodes import (
    Action,
    Break,
    Call,
    Continue,
    Dot,
    Function,
    Group,
    If,
    Literal,
    Node,
    Operand,
    Pipeline,
    Range,
    Text,
    Variable,
    With,
)
from tocsin.gotemplate.parser import Template
from tocsin.gotemplate.signature import Signature
from tocsin.gotemplate.values import Object, Record, Value, display, is_true, type_name

SHORT_CIRCUITS: Final = frozenset({"and", "or"})
"""Functions that look at their arguments one by one, and so are part of the evaluator."""

MAX_DEPTH: Final = 100
MAX_STEPS: Final = 5_000_000
MAX_OUTPUT_CHARACTERS: Final = 32 * 1024 * 1024


class _LoopEndError(Exception):
    """A ``break`` or ``continue`` on its way to its loop."""

    def __init__(self, *, goes_on: bool) -> None:
        self.goes_on = goes_on


class Writer(Protocol):
    """How text and values become output; what it returns for each is put together."""

    def text(self, text: str) -> str:
        """Text of the template itself."""
        ...

    def value(self, value: Value) -> str:
        """A value that an action has."""
        ...


class PlainWriter:
    """Writes everything as it is: Go's text/template."""

    def text(self, text: str) -> str:
        """Text of the template itself."""
        return text

    def value(self, value: Value) -> str:
        """A value as Go prints it."""
        return "<no value>" if value is None else display(value)


def expand(
    template: Template,
    dot: Value,
    functions: Mapping[str, Signature],
    variables: Mapping[str, Value] | None = None,
    *,
    library: Mapping[str, tuple[Node, ...]] | None = None,
    writer: Writer | None = None,
) -> str:
    """Fill a template in.

    ``library`` has templates that it may call beside its own. Raises TemplateError when a value does not
    allow what the template does with it, or it goes on for too long.
    """
    scope = [("$", dot), *(variables or {}).items()]
    defined = {**(library or {}), **template.defined}
    evaluator = _Evaluator(defined, functions, writer or PlainWriter())
    try:
        evaluator.walk(template.nodes, dot, _Scope(scope))
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None
    return "".join(evaluator.output)


@dataclass(slots=True)
class _Scope:
    """Variables, the innermost last."""

    variables: list[tuple[str, Value]]

    def get(self, name: str) -> Value:
        return next(value for known, value in reversed(self.variables) if known == name)

    def declare(self, name: str, value: Value) -> None:
        self.variables.append((name, value))

    def assign(self, name: str, value: Value) -> None:
        index = max(index for index, (known, _) in enumerate(self.variables) if known == name)
        self.variables[index] = (name, value)


class _Evaluator:
    def __init__(
        self, defined: Mapping[str, tuple[Node, ...]], functions: Mapping[str, Signature], writer: Writer
    ) -> None:
        self.output: list[str] = []
        self._defined = defined
        self._functions = functions
        self._writer = writer
        self._depth = 0
        self._steps = 0
        self._size = 0

    # Nodes.

    def walk(self, nodes: Sequence[Node], dot: Value, scope: _Scope) -> None:
        """Write what some nodes stand for; variables that they declare end with them."""
        outer = len(scope.variables)
        for node in nodes:
            try:
                self._step()
                self._node(node, dot, scope)
            except TemplateError as error:
                if error.place or isinstance(node, Text | Break | Continue):
                    raise
                raise TemplateError(error.message, place=node.place) from error.__cause__
        del scope.variables[outer:]

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TemplateError(f"it takes more than {MAX_STEPS} steps")

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT_CHARACTERS:
            raise TemplateError(f"the text is longer than {MAX_OUTPUT_CHARACTERS} characters")
        self.output.append(text)

    def _node(self, node: Node, dot: Value, scope: _Scope) -> None:
        match node:
            case Text():
                self._write(self._writer.text(node.text))
            case Action():
                value = self._pipeline(node.pipeline, dot, scope)
                if not node.pipeline.variables:
                    self._write(self._writer.value(value))
            case If() | With():
                self._branch(node, dot, scope)
            case Range():
                self._range(node, dot, scope)
            case Call():
                self._call(node, dot, scope)
            case Break() | Continue():
                raise _LoopEndError(goes_on=isinstance(node, Continue))

    def _branch(self, node: If | With, dot: Value, scope: _Scope) -> None:
        outer = len(scope.variables)
        value = self._pipeline(node.condition if isinstance(node, If) else node.value, dot, scope)
        if is_true(value):
            self.walk(node.then, value if isinstance(node, With) else dot, scope)
        else:
            self.walk(node.otherwise, dot, scope)
        del scope.variables[outer:]

    def _range(self, node: Range, dot: Value, scope: _Scope) -> None:
        values = self._commands(node.values, dot, scope)
        outer, is_empty = len(scope.variables), True
        for key, element in _elements(values):
            is_empty = False
            self._step()
            self._bind_element(node.values, key, element, scope)
            try:
                self.walk(node.body, element, scope)
            except _LoopEndError as jump:
                if not jump.goes_on:
                    break
            finally:
                del scope.variables[outer:]
        if is_empty:
            self.walk(node.otherwise, dot, scope)

    def _bind_element(self, pipeline: Pipeline, key: Value, element: Value, scope: _Scope) -> None:
        pair = (key, element) if len(pipeline.variables) == 2 else (element,)
        for name, value in zip(pipeline.variables, pair, strict=False):
            (scope.assign if pipeline.is_assignment else scope.declare)(name, value)

    def _call(self, node: Call, dot: Value, scope: _Scope) -> None:
        nodes = self._defined.get(node.name)
        if nodes is None:
            raise TemplateError(f'template "{node.name}" is not defined')
        if self._depth == MAX_DEPTH:
            raise TemplateError(f"templates call each other more than {MAX_DEPTH} deep")
        argument = self._pipeline(node.argument, dot, scope) if node.argument else None
        self._depth += 1
        self.walk(nodes, argument, _Scope([("$", argument)]))
        self._depth -= 1

    # Values.

    def _pipeline(self, pipeline: Pipeline, dot: Value, scope: _Scope) -> Value:
        value = self._commands(pipeline, dot, scope)
        for name in pipeline.variables:
            (scope.assign if pipeline.is_assignment else scope.declare)(name, value)
        return value

    def _commands(self, pipeline: Pipeline, dot: Value, scope: _Scope) -> Value:
        piped: list[Value] = []
        for command in pipeline.commands:
            piped = [self._command(command, piped, dot, scope)]
        return piped[0]

    def _command(self, command: Sequence[Operand], piped: list[Value], dot: Value, scope: _Scope) -> Value:
        first, *rest = command
        if isinstance(first, Function):
            return self._function(first.name, rest, piped, dot, scope)
        arguments = [*(self._operand(operand, dot, scope) for operand in rest), *piped]
        base, fields = self._base(first, dot, scope)
        owner = _fields(base, fields[:-1])
        method = _method(owner, fields[-1]) if fields else None
        if method is not None:
            return _bounded(method(*arguments))
        value = _fields(owner, fields[-1:])
        if callable(value):
            return _bounded(value(*arguments))
        if arguments:
            raise TemplateError(f"can't give argument to non-function {display(value)}")
        if isinstance(first, Literal) and first.value is None:
            raise TemplateError("nil is not a command")
        return value

    def _function(
        self, name: str, operands: Sequence[Operand], piped: list[Value], dot: Value, scope: _Scope
    ) -> Value:
        if name in SHORT_CIRCUITS:
            return self._first_decisive(operands, piped, dot, scope, decisive=name == "or")
        arguments = [self._operand(operand, dot, scope) for operand in operands]
        return _bounded(self._functions[name].call(name, *arguments, *piped))

    def _first_decisive(
        self, operands: Sequence[Operand], piped: list[Value], dot: Value, scope: _Scope, *, decisive: bool
    ) -> Value:
        """``and`` and ``or``: later operands are looked at only while the earlier ones leave it open."""
        if not operands and not piped:
            raise TemplateError("wrong number of args for and or or: want at least 1 got 0")
        value: Value = None
        for operand in operands:
            value = self._operand(operand, dot, scope)
            if is_true(value) is decisive:
                return value
        return piped[0] if piped else value

    def _operand(self, operand: Operand, dot: Value, scope: _Scope) -> Value:
        return _fields(*self._base(operand, dot, scope))

    def _base(self, operand: Operand, dot: Value, scope: _Scope) -> tuple[Value, Sequence[str]]:
        """What an operand stands for before fields are taken from it, and these."""
        match operand:
            case Literal():
                return operand.value, ()
            case Dot():
                return dot, operand.fields
            case Variable():
                return scope.get(operand.name), operand.fields
            case Function():
                return self._function(operand.name, (), [], dot, scope), ()
            case Group():
                return self._pipeline(operand.pipeline, dot, scope), operand.fields


def _bounded(value: Value) -> Value:
    if isinstance(value, str) and len(value) > MAX_OUTPUT_CHARACTERS:
        raise TemplateError(f"a value is longer than {MAX_OUTPUT_CHARACTERS} characters")
    return value


def _method(value: Value, name: str) -> Callable[..., Value] | None:
    return value.method(name) if isinstance(value, Object) else None


def _fields(value: Value, names: Sequence[str]) -> Value:
    for name in names:
        method = _method(value, name)
        if method is not None:
            value = method()
        elif isinstance(value, Mapping):
            value = value.get(name, "")
        elif isinstance(value, Record) and name in value.fields:
            value = value.fields[name]
        else:
            raise TemplateError(f"can't evaluate field {name} in type {type_name(value)}")
    return value


def _elements(values: Value) -> Iterator[tuple[Value, Value]]:
    match values:
        case None | str() | bool() | float() | Record():
            if values is not None:
                raise TemplateError(f"range can't iterate over {display(values)[:60]}")
        case int():
            yield from ((index, index) for index in range(values))
        case Mapping():
            yield from ((name, values[name]) for name in sorted(values))
        case Sequence():
            yield from enumerate(values)
        case _:
            raise TemplateError(f"range can't iterate over {display(values)[:60]}")
